"""What a stranger's checkpoint may ask for: no more than its weights account for, and no file of this machine.

A checkpoint is data, but its config and spec say how large a model, an image or a search are to be.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from sensorium.errors import RequestError, RunError, as_typed

# The largest numbers of a spec that fit into a few hundred megabytes, far above any data that is trained on.
_MOST_PIXELS = 2**26
_MOST = {
    "sample_rate": 1e6,  # hertz
    "num_mels": 1e4,
    "num_coefficients": 1e4,
    "window": 60,  # seconds
    "hop": 60,
    "num_features": 1e6,
    "in_channels": 1e4,
    "context": 1e7,  # tokens
}
_SPARE = 1_000_000  # numbers that a model may have beside its weights, and the least that any size may be
_SPARE_BUFFERS = 2**26  # likewise of tables that are computed and not stored
FILES = ("lexicon", "language_model")  # keys of decoding that name a file
_NO_FILES = (None, "none", "own")


def check_spec(spec: Mapping[str, Any], path: Path) -> None:
    """Refuses a spec whose images, recordings or contexts are larger than anything that was ever trained on."""
    features = spec.get("features")
    for values in (spec, features if isinstance(features, Mapping) else {}):
        for key, most in _MOST.items():
            value = values.get(key)
            if isinstance(value, int | float) and not value <= most:
                raise RequestError(f"{path}: its {key} is {as_typed(value)}; at most {most:,.0f} is possible.")
    pixels = 1
    for side in spec.get("image_size") or ():
        pixels *= side if isinstance(side, int) else 1
    if pixels > _MOST_PIXELS:
        raise RequestError(
            f"{path}: its image_size is {as_typed(spec['image_size'])}; at most {_MOST_PIXELS:,} pixels are possible."
        )


def check_decoding(stored: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """Refuses files that a checkpoint names for its search, where nobody gave another value for that key."""
    for key in FILES:
        if stored.get(key) not in _NO_FILES and given.get(key) is None:
            raise RequestError(
                f"{path} names a file of this machine: decoding.{key}={as_typed(stored[key])}.\n"
                f"If you know where the checkpoint comes from, say trust=true; else decoding.{key}=FILE or none."
            )


@contextmanager
def no_larger_than(weights: Mapping[str, Tensor], sizes: Any, path: Path) -> Iterator[None]:
    """Inside, a model is constructed on the meta device, which allocates nothing. RunError as soon as it has many more
    numbers than these weights.

    sizes: what the constructor is given; no whole number in it may be larger than all weights together.
    """
    stored = sum(value.numel() for value in weights.values())
    if (largest := max(_whole_numbers(sizes), default=0)) > max(stored, _SPARE):
        raise _misfit(path, stored, f"a size of {as_typed(largest)}")
    left = {
        nn.Parameter: 2 * stored + _SPARE,  # twice: a weight that is shared or normalized is registered again
        Tensor: stored + _SPARE_BUFFERS,
        nn.Module: 100 * len(weights) + 10_000,
    }
    mine = threading.get_ident()

    def count(kind: type, amount: int) -> None:
        if threading.get_ident() == mine:
            left[kind] -= amount
            if left[kind] < 0:
                raise _misfit(path, stored, "a larger model")

    hooks = [
        register_module_parameter_registration_hook(lambda _, __, value: count(nn.Parameter, _numel(value))),
        register_module_buffer_registration_hook(lambda _, __, value: count(Tensor, _numel(value))),
        register_module_module_registration_hook(lambda *_: count(nn.Module, 1)),
    ]
    try:
        with torch.device("meta"):
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _misfit(path: Path, stored: int, wanted: str) -> RunError:
    return RunError(
        f"{path}: its weights do not fit its config: that asks for {wanted}, and they are {stored:,} numbers."
    )


def _numel(value: Any) -> int:
    """0 for None, and for a lazy parameter, which has no shape yet."""
    lazy = value is None or isinstance(value, nn.UninitializedParameter | nn.UninitializedBuffer)
    return 0 if lazy else int(value.numel())


def _whole_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from _whole_numbers(inner)
    elif isinstance(value, int):
        yield abs(value)
