"""A trained classifier over a whole split: the same code, batches and arithmetic after training and in `eval`."""

import math
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.data.loader import BatchLoader
from sensorium.distributed import gather
from sensorium.metrics.classification import outcomes, summary
from sensorium.metrics.uncertainty import Interval, Measure, bootstrap_intervals, paired_comparison, wilson_interval
from sensorium.models.protocols import CountsPerExample
from sensorium.specs import AudioClassificationSpec, ImageClassificationSpec, TextClassificationSpec
from sensorium.tasks.base import Evaluation
from sensorium.tasks.inference import InferenceModel

PLANE_POINTS = 151  # of each of two inputs, at which a model is evaluated


class Plane(NamedTuple):
    """What a model of two inputs says all over their plane.

    probabilities: (G, G, K); row and column are the second and the first input, G equal steps from low to high. Both
    inputs are pixel values scaled to [0, 1].
    """

    low: float
    high: float
    probabilities: Tensor


@dataclass(frozen=True)
class ClassificationEvaluation(Evaluation):
    """probabilities: (N, K) float32. labels: (N,) int64. seconds: wall time of the pass. counts: (N,) float64 by name,
    of what the model counts for each example. plane: for images of two numbers, else None.
    """

    compared_by = ("accuracy",)

    probabilities: Tensor
    labels: Tensor
    seconds: float
    counts: dict[str, Tensor] = field(default_factory=dict)
    plane: Plane | None = None

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Accuracy and the others of `metrics.classification.summary`, and the mean of every count."""
        means = {name: float(values.mean()) for name, values in self.counts.items()}
        return summary(self.probabilities, self.labels) | means

    def headline_interval(self) -> tuple[float, float]:
        right = int(outcomes(self.probabilities, self.labels).correct.sum())
        return wilson_interval(right, len(self.labels))

    @property
    def size(self) -> int:
        return len(self.labels)

    def measure(self) -> Measure:
        measured = outcomes(self.probabilities, self.labels)
        counts = {name: values.numpy() for name, values in self.counts.items()}

        def metrics(rows: np.ndarray) -> dict[str, float]:
            return measured.take(rows).summary() | {name: float(of[rows].mean()) for name, of in counts.items()}

        return metrics

    def intervals(self, resamples: int) -> dict[str, Interval]:
        """With the calibration error's reflected (`bootstrap_intervals`)."""
        return bootstrap_intervals(probabilities=self.probabilities, labels=self.labels, resamples=resamples)

    def interval_of(self, rows: np.ndarray, measure: Measure, name: str, resamples: int) -> Interval | None:
        """Of the accuracy, Wilson's, which a bootstrap of few examples is too narrow for."""
        if name != "accuracy":
            return super().interval_of(rows, measure, name, resamples)
        return wilson_interval(round(measure(rows)[name] * len(rows)), len(rows))

    def compared(self, other: "ClassificationEvaluation", resamples: int = 1000) -> dict[str, float]:
        """With McNemar's exact test."""
        return paired_comparison(a=self.probabilities, b=other.probabilities, labels=self.labels, resamples=resamples)


class Classifier(InferenceModel[ImageClassificationSpec | TextClassificationSpec | AudioClassificationSpec]):
    """A model ready to classify examples.

    A model that counts something has a method `counted`: called like `forward`, it gives the logits and, by name, a
    number for each example (B,).
    """

    def probabilities(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs`, on any device -> (B, K) float32 on the model's."""
        return self.with_counts(*inputs)[0]

    def with_counts(self, *inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """As `probabilities`, and what the model counts of each example, if it does: (B,) by name."""
        counts: dict[str, Tensor] = {}
        if isinstance(self.model, CountsPerExample):
            logits, counts = self(*inputs, method=self.model.counted)
        else:
            logits = self(*inputs)
        with torch.inference_mode():
            return self.calibrate(logits.float()).softmax(1), counts

    def plane(self) -> Plane | None:
        """What it says between the values of two inputs and a little around them; None for other than two."""
        spec = self.spec
        if not isinstance(spec, ImageClassificationSpec) or spec.in_channels * math.prod(spec.image_size) != 2:
            return None
        low, high = -0.25, 1.25
        steps = torch.linspace(low, high, PLANE_POINTS)
        second, first = torch.meshgrid(steps, steps, indexing="ij")
        points = torch.stack([first, second], dim=2).view(-1, spec.in_channels, *spec.image_size)
        return Plane(low, high, self.probabilities(points).cpu().view(PLANE_POINTS, PLANE_POINTS, -1))


def evaluate(classifier: Classifier, loader: BatchLoader) -> ClassificationEvaluation:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts: list[tuple[Tensor, Tensor, dict[str, Tensor]]] = []
    for batch in loader:
        rows, counts = classifier.with_counts(*batch.inputs)
        counts = {name: values.cpu().double() for name, values in counts.items()}
        parts.append((batch.indices.clone(), rows.cpu(), counts))
    parts = gather(parts, processes=loader.processes)
    labels = torch.from_numpy(loader.split.labels).clone()
    probabilities = torch.full((len(labels), parts[0][1].shape[1]), float("nan"))
    counted = {name: torch.full((len(labels),), float("nan"), dtype=torch.float64) for name in parts[0][2]}
    for indices, rows, counts in parts:
        probabilities[indices] = rows
        for name, values in counts.items():
            counted[name][indices] = values
    return ClassificationEvaluation(probabilities, labels, time.perf_counter() - started, counted, classifier.plane())
