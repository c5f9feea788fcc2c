"""A trained model ready to be asked, whatever it answers."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from sensorium.build import make_prepare
from sensorium.evaluator.arithmetic import MEMORY_FORMATS, autocast
from sensorium.specs import Spec

S = TypeVar("S", bound=Spec)


class Ready(Generic[S]):
    """A model on its device, in its memory format, in evaluation mode.

    precision, memory_format: as in the config, resolved (no "auto").
    """

    def __init__(self, *, model: nn.Module, spec: S, device: torch.device, precision: str, memory_format: str) -> None:
        self.spec, self.device, self.precision = spec, device, precision
        layout = MEMORY_FORMATS[memory_format]
        self.model = model.to(device=device, memory_format=layout).eval()  # type: ignore[call-overload]
        self.prepare = make_prepare(spec, layout).to(device)

    @torch.inference_mode()
    def answer(self, *inputs: Tensor, ask: Callable[..., Any] | None = None) -> Any:
        """What the model gives for a batch's `inputs`, on any device. ask: what is called instead of the model."""
        prepared = self.prepare(*(tensor.to(self.device) for tensor in inputs))
        with autocast(self.precision, self.device):
            return (ask or self.model)(*prepared)
