"""A trained model with its preprocessing, ready for inference."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.models.exported import ExportedModel
from sensorium.nn.feature_hook import watched
from sensorium.specs import Spec
from sensorium.tasks import registry
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.out_of_distribution import OutOfDistribution
from sensorium.tasks.precision import MEMORY_FORMATS, autocast
from sensorium.tasks.preprocessing import AsStored

S = TypeVar("S", bound=Spec)
R = TypeVar("R")


class InferenceModel(Generic[S]):
    """A model on its device, in its memory format, in evaluation mode.

    precision, memory_format: as in the config, resolved (no "auto"). calibration: what `calibrate` applies to logits.
    out_of_distribution: what `flagged` flags inputs by.
    """

    classes = True  # whether classes exclude each other, or each logit stands for itself

    def __init__(
        self,
        *,
        model: nn.Module,
        spec: S,
        device: torch.device,
        precision: str,
        memory_format: str,
        calibration: Calibration | None = None,
        out_of_distribution: OutOfDistribution | None = None,
    ) -> None:
        self.detector = out_of_distribution
        self.spec, self.device, self.precision = spec, device, precision
        layout = MEMORY_FORMATS[memory_format]
        self.model = model.to(device=device, memory_format=layout).eval()  # type: ignore[call-overload]
        inside = isinstance(model, ExportedModel)  # its graph has the preprocessing
        self.prepare = AsStored() if inside else registry.of(spec).preprocessing(spec, layout).to(device)
        self.calibrate = calibration.module(classes=self.classes).to(device) if calibration else nn.Identity()

    def flagged(self, call: Callable[..., R], *inputs: Tensor) -> tuple[R, list[bool | None]]:
        """What `call`, a method of this object, gives for a batch's `inputs`; and, for each example, whether it is
        unlike the training data, None where the checkpoint has no detector.
        """
        if self.detector is None:
            return call(*inputs), [None] * len(inputs[0])
        result, features = watched(self.model, call, inputs)
        return result, self.detector.flags(features).tolist()

    def features(self, batches: Iterable[Any]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each batch: rows of its split (B,), and the penultimate features (B, F) float32 of these examples."""
        for batch in batches:
            yield batch.indices.numpy().copy(), watched(self.model, self, batch.inputs)[1]

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor, method: Callable[..., Any] | None = None) -> Any:
        """The model's output for a batch's `inputs`, on any device. method: what is called instead of `forward`."""
        prepared = self.prepare(*(tensor.to(self.device) for tensor in inputs))
        with autocast(self.precision, self.device):
            return (method or self.model)(*prepared)
