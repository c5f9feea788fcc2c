"""A trained model over a whole split: the same code, batches and arithmetic after training and in `sensorium eval`."""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sensorium.batches import ImageBatch
from sensorium.data.loader import BatchLoader
from sensorium.errors import unknown
from sensorium.specs import ImageSpec
from sensorium.vision.normalise import Normalise

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Predictions:
    """probabilities: (N, K) float32. labels: (N,) int64. seconds: wall time of the pass."""

    probabilities: Tensor
    labels: Tensor
    seconds: float


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The arithmetic of a `trainer.precision`; evaluation uses what training used."""
    if precision not in PRECISIONS:
        raise unknown("precision (trainer.precision)", precision, PRECISIONS)
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16-mixed" else torch.float16)


class Classifier:
    """A model ready to judge pictures: on its device, in its memory format, in evaluation mode.

    precision, memory_format: as in the config, resolved (no "auto").
    """

    def __init__(
        self, *, model: nn.Module, spec: ImageSpec, device: torch.device, precision: str, memory_format: str
    ) -> None:
        self.device, self.precision = device, precision
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.model = model.to(device=device, memory_format=self.memory_format).eval()  # type: ignore[call-overload]
        self.normalise = Normalise(mean=spec.mean, std=spec.std).to(device)

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8, on any device -> (B, K) float32 on the model's."""
        images = self.normalise(images.to(self.device)).contiguous(memory_format=self.memory_format)
        with autocast(self.precision, self.device):
            logits = self.model(images)
        return logits.float().softmax(1)


def evaluate(classifier: Classifier, loader: BatchLoader) -> Predictions:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts: list[tuple[Tensor, Tensor]] = []
    batch: ImageBatch
    for batch in loader:
        parts.append((batch.indices.clone(), classifier.probabilities(batch.images).cpu()))
    if loader.sampler.world_size > 1:
        gathered: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(loader.sampler.world_size)]
        torch.distributed.all_gather_object(gathered, parts)
        parts = [part for share in gathered for part in share]
    labels = torch.from_numpy(loader.split.labels).clone()
    probabilities = torch.full((len(labels), parts[0][1].shape[1]), float("nan"))
    for indices, rows in parts:
        probabilities[indices] = rows
    return Predictions(probabilities, labels, time.perf_counter() - started)
