"""An exponential moving average of weights, which often generalizes better than the last weights.

Polyak and Juditsky 1992 for the idea; the decay warm-up, min(decay, (1 + n) / (10 + n)), is TensorFlow's.
"""

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.optim.groups import check_number


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer by name, detached; writing to them writes to the module."""
    return {name: tensor.detach() for name, tensor in chain(module.named_parameters(), module.named_buffers())}


class WeightAverage:
    """The average of a module's parameters and floating-point buffers; integer buffers are copied.

    Make it once the module is on its device. Use the same module, or one with the same names, in every call.

    decay: share of the old average kept at each update, such as 0.999.
    warmup: use min(decay, (1 + n) / (10 + n)) at the update after n others, so that a short training is not held back
        by its random first weights.

    Errors: RequestError for weights of less than 32 bits, where small updates would be rounded away.
    """

    def __init__(self, module: nn.Module, *, decay: float, warmup: bool) -> None:
        check_number("decay", decay, below=1.0)
        for name, tensor in _tensors(module).items():
            if tensor.is_floating_point() and tensor.element_size() < 4:
                raise RequestError(
                    f"Weights cannot be averaged in {str(tensor.dtype).removeprefix('torch.')} ({name}): "
                    "small changes would be rounded away.\nKeep the weights in float32, for instance with a mixed "
                    "precision, or train without the average."
                )
        self._average = {name: tensor.clone() for name, tensor in _tensors(module).items()}
        self._decay = decay
        self._warmup = warmup
        self._updates = 0
        self._swapped = False

    @property
    def swapped(self) -> bool:
        """Whether the module holds the averaged weights at the moment."""
        return self._swapped

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move the average towards the module's weights; after every optimizer step, not while swapped."""
        self._not_swapped("update")
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates)) if self._warmup else self._decay
        averages: list[Tensor] = []
        weights: list[Tensor] = []
        for name, tensor in _tensors(module).items():
            if tensor.is_floating_point():
                averages.append(self._average[name])
                weights.append(tensor)
            else:
                self._average[name].copy_(tensor)
        torch._foreach_lerp_(averages, weights, 1 - decay)
        self._updates += 1

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Exchange the module's weights and the average, in place; a second call undoes the first."""
        weights = _tensors(module)
        kept = {name: tensor.clone() for name, tensor in weights.items()}
        for name, tensor in weights.items():
            tensor.copy_(self._average[name])
            self._average[name].copy_(kept[name])
        self._swapped = not self._swapped

    def state_dict(self) -> dict[str, Any]:
        """{"updates": int, "average": {name: tensor}}; not while swapped, when the average is in the module."""
        self._not_swapped("state_dict")
        return {"updates": self._updates, "average": dict(self._average)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved average of a module with the same names and shapes; RequestError if they differ."""
        self._not_swapped("load_state_dict")
        shapes = {name: tensor.shape for name, tensor in self._average.items()}
        differing = sorted(set(shapes.items()) ^ {(name, tensor.shape) for name, tensor in state["average"].items()})
        if differing:
            raise RequestError(
                f"The saved average is of another model: {differing[0][0]} is missing or differs in shape."
            )
        for name, tensor in state["average"].items():
            self._average[name].copy_(tensor)
        self._updates = state["updates"]

    def _not_swapped(self, what: str) -> None:
        if self._swapped:
            raise RuntimeError(f"WeightAverage.{what} while swapped: call swap first to put the training weights back.")
