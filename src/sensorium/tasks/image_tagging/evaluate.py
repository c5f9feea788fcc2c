"""A trained tagger over a whole split: the same code, batches and arithmetic after training and in `eval`."""

import math
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.data.loader import BatchLoader
from sensorium.distributed import gather
from sensorium.metrics.multilabel import PerLabel, average_precision, mean, per_label, summary
from sensorium.metrics.uncertainty import Measure, bootstrap_interval
from sensorium.specs import ImageTaggingSpec
from sensorium.tasks.base import Evaluation
from sensorium.tasks.inference import InferenceModel

THRESHOLD = 0.5  # probability from which an image is given a tag by default


@dataclass(frozen=True)
class TaggingEvaluation(Evaluation):
    """probabilities: (N, K) float32. targets: (N, K) uint8. losses: (N,) float64 binary cross-entropy of each image, a
    mean over tags. seconds: wall time of the pass. threshold: from which a tag counts as predicted.
    """

    compared_by = ("map", "micro_f1", "macro_f1")

    probabilities: np.ndarray
    targets: np.ndarray
    losses: np.ndarray
    seconds: float
    threshold: float = THRESHOLD

    @property
    def predicted(self) -> np.ndarray:
        """(N, K) bool."""
        return self.probabilities >= self.threshold

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Those of `metrics.multilabel.summary`, without what is undefined, and loss."""
        return dict(self.measure()(np.arange(self.size)))

    @property
    def size(self) -> int:
        return len(self.targets)

    def measure(self) -> Measure:
        def metrics(rows: np.ndarray) -> dict[str, float]:
            found = summary(self.probabilities[rows], self.targets[rows], threshold=self.threshold)
            found["loss"] = float(self.losses[rows].mean())
            return {name: float(value) for name, value in found.items() if not math.isnan(value)}

        return metrics

    def headline_interval(self) -> tuple[float, float] | None:
        def mean_average_precision(rows: np.ndarray) -> float:
            return mean(average_precision(self.probabilities[rows], self.targets[rows]))

        return bootstrap_interval(mean_average_precision, len(self.targets), resamples=200)

    def per_tag(self) -> PerLabel:
        return per_label(self.probabilities, self.targets, threshold=self.threshold)


class Tagger(InferenceModel[ImageTaggingSpec]):
    """A model ready to tag images."""

    classes = False

    def logits(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8, on any device -> (B, K) float32 on the model's."""
        logits: Tensor = self(images)
        calibrated: Tensor = self.calibrate(logits.float())
        return calibrated

    def probabilities(self, images: Tensor) -> np.ndarray:
        """Images (B, C, H, W) uint8, on any device -> (B, K) float32."""
        return self.logits(images).sigmoid().cpu().numpy()


def evaluate(tagger: Tagger, loader: BatchLoader) -> TaggingEvaluation:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for batch in loader:
        with torch.inference_mode():
            logits = tagger.logits(batch.images)
            losses = F.binary_cross_entropy_with_logits(
                logits, batch.targets.to(logits.device, torch.float32), reduction="none"
            )
        rows, mean_losses = batch.indices.numpy().copy(), losses.cpu().double().mean(1).numpy()
        parts.append((rows, logits.sigmoid().cpu().numpy(), mean_losses))
    parts = gather(parts, processes=loader.processes)
    rows, probabilities, losses_of = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.argsort(rows)
    return TaggingEvaluation(
        probabilities=probabilities[order],
        targets=loader.split.targets,
        losses=losses_of[order],
        seconds=time.perf_counter() - started,
    )
