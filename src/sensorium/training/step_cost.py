"""What a training step of a model costs on this data: measured on batches as they come and on the longest one."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.build import make_loader
from sensorium.data.base import Data
from sensorium.inspection.findings import Finding
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel

_STEPS = 5  # that are measured, behind one that warms up
_LARGEST = 4  # batches of the most examples times length that are tried for the longest
_COPIES = 4  # of every weight: itself, its gradient, and two of an optimizer such as AdamW


def measured(model: LoadedModel, data: Data, config: RunConfig) -> list[Finding]:
    """The longest batch, the memory of its step, and the time of an epoch: forward and backward on the model's device,
    without augmentation, losses and optimizer. config: of the training, with its batch size.
    """
    loader = make_loader(config, data.train, shuffle=True, device=model.device)
    batches = list(loader.sampler.batches())
    lengths = getattr(loader.sampler, "lengths", np.ones(len(data.train)))
    prepare = registry.of(model.spec).preprocessing(model.spec).to(model.device)
    network = model.model.to(model.device).eval().requires_grad_(True)
    for module in network.modules():
        if isinstance(module, nn.RNNBase):
            module.train()  # cuDNN has no backward pass of one that evaluates
    some = np.random.default_rng(0).permutation(len(batches))[: _STEPS + 1].tolist()
    seconds = [_seconds(network, prepare, data.train.read(batches[place]), model.device) for place in some]
    longest, size = _longest(data.train, batches, lengths, prepare, model.device)
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    memory = _COPIES * weights + _kept(network, prepare, longest, model.device)
    minutes = float(np.median(seconds[1:] or seconds)) * len(batches) / 60
    return [
        _note(f"longest batch: {size}"),
        _note(f"memory of its training step, about: {memory / 1e6:,.0f} MB (weights, gradients, AdamW, activations)"),
        _note(
            f"an epoch of {len(batches):,} steps on {model.device.type}, about: {minutes:.2g} minutes"
            f" (forward and backward of {len(some)} steps measured)"
        ),
    ]


def _note(what: str) -> Finding:
    return Finding(check="cost", severity="note", what=what, count=0)


def _inputs(prepare: nn.Module, batch: Any, device: torch.device) -> tuple[Tensor, ...]:
    return tuple(prepare(*(one.to(device) for one in batch.inputs)))


def _longest(
    split: Any, batches: list[np.ndarray], lengths: np.ndarray, prepare: nn.Module, device: torch.device
) -> tuple[Any, str]:
    """The batch whose inputs, as the model gets them, have the most numbers; and their shapes."""
    sizes = [len(rows) * int(lengths[rows].max()) for rows in batches]
    tried = [split.read(batches[place]) for place in np.argsort(sizes)[::-1][:_LARGEST].tolist()]
    shapes = [[tuple(one.shape) for one in _inputs(prepare, batch, device) if one.ndim > 1] for batch in tried]
    most = int(np.argmax([sum(int(np.prod(shape)) for shape in found) for found in shapes]))
    return tried[most], " and ".join(" x ".join(f"{side:,}" for side in shape) for shape in shapes[most])


def _seconds(network: nn.Module, prepare: nn.Module, batch: Any, device: torch.device) -> float:
    started = time.perf_counter()
    _backward(network(*_inputs(prepare, batch, device)))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - started
    network.zero_grad(set_to_none=True)
    return seconds


def _backward(outputs: Any) -> None:
    total = [value.float().sum() for value in _tensors(outputs) if value.requires_grad]
    if total:
        torch.stack(total).sum().backward()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)


def _kept(network: nn.Module, prepare: nn.Module, batch: Any, device: torch.device) -> int:
    """Bytes that the forward pass keeps for the backward pass, each storage once, weights excepted."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        outputs = network(*_inputs(prepare, batch, device))
    del outputs
    return sum(kept.values())
