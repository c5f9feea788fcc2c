"""Where in a network a method looks, found by what its modules give and not by their names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sensorium.attribution.subject import Subject

_SMALLER = (
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d, nn.LPPool2d, nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten),
)


class _Call(NamedTuple):
    module: nn.Module
    shape: tuple[int, ...]


@contextmanager
def recorded(network: nn.Module) -> Iterator[list[_Call]]:
    """What every module gives that is one tensor, in the order of their ends."""
    calls: list[_Call] = []

    def see(module: nn.Module, arguments: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            calls.append(_Call(module, tuple(output.shape)))

    handles = [module.register_forward_hook(see) for module in network.modules()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def maps_of(subject: Subject) -> nn.Module | None:
    """The module whose maps Grad-CAM weighs; None for a network without."""
    return finest_maps(subject) if subject.dense else last_maps(subject)


@torch.no_grad()
def finest_maps(subject: Subject) -> nn.Module | None:
    """Of what follows the maps of the most channels (the end of a backbone, the bottom of a U-Net) the first module of
    the finest maps. None for a network without, and for one that runs it several times.

    On the deepest maps the sign of Grad-CAM's weights, means over all places, says little of one box.
    """
    with recorded(subject.network) as calls:
        subject.scores(subject.features[None])
    maps = [call for call in calls if _is_maps(call) and call.shape[0] == 1]
    if not maps:
        return None
    most = max(call.shape[1] for call in maps)
    deepest = [place for place, call in enumerate(maps) if call.shape[1] == most][-1]
    after = maps[deepest + 1 :] or maps[deepest:]
    finest = max(call.shape[2] * call.shape[3] for call in after)
    found = next(call.module for call in after if call.shape[2] * call.shape[3] == finest)
    return found if sum(call.module is found for call in maps) == 1 else None


@torch.no_grad()
def last_maps(subject: Subject) -> nn.Module | None:
    """The last module whose output is (B, C, H, W) maps of more than one place, before pooling: a whole residual block
    rather than the convolution in it. None for a network without, and for one that makes tokens of its maps.
    """
    network = subject.network
    with recorded(network) as calls:
        subject.scores(subject.features[None])
    inner = [call for call in calls if not any(True for _ in call.module.children())]
    maps = [place for place, call in enumerate(inner) if _is_maps(call)]
    working = [inner[place] for place in maps if not isinstance(inner[place].module, _SMALLER)]
    if not working or isinstance(working[-1].module, nn.LayerNorm):  # of which the channels are last
        return None
    after = inner[maps[-1] + 1 :]
    if any(len(call.shape) == 3 and call.shape[1] > 1 for call in after):
        return None
    size = working[-1].shape[2:]
    return [call.module for call in calls if _is_maps(call) and call.shape[2:] == size][-1]


def _is_maps(call: _Call) -> bool:
    return len(call.shape) == 4 and call.shape[2] * call.shape[3] > 1
