"""A trained regressor over a whole split: the same code, batches and arithmetic after training and in `eval`."""

import math
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor

from sensorium.data.loader import BatchLoader
from sensorium.distributed import gather
from sensorium.errors import RunError
from sensorium.metrics.regression import PerTarget, per_target, summary
from sensorium.metrics.uncertainty import Measure, bootstrap_interval
from sensorium.specs import ImageRegressionSpec, TextRegressionSpec
from sensorium.tasks.base import Evaluation, Metric, not_finite
from sensorium.tasks.inference import InferenceModel

HEADLINE = Metric("r2")  # errors of several targets in units of their own have no mean that says much


@dataclass(frozen=True)
class RegressionEvaluation(Evaluation):
    """predictions, targets: (N, K) float64 in the targets' own units. target_std: (K,) of the model's training targets.
    seconds: wall time of the pass.
    """

    compared_by = (HEADLINE.name, "mae", "rmse")

    predictions: np.ndarray
    targets: np.ndarray
    target_std: np.ndarray
    seconds: float

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Those of `metrics.regression.summary`, and loss: the mean squared error of standardized targets, whichever
        loss was trained.
        """
        return dict(self.measure()(np.arange(self.size)))

    @property
    def size(self) -> int:
        return len(self.targets)

    def measure(self) -> Measure:
        squared = self.standardized_errors**2

        def metrics(rows: np.ndarray) -> dict[str, float]:
            return summary(self.predictions[rows], self.targets[rows]) | {"loss": float(squared[rows].mean())}

        return metrics

    @property
    def standardized_errors(self) -> np.ndarray:
        """(N, K) prediction - target, in standard deviations of the target."""
        return (self.predictions - self.targets) / self.target_std

    def headline_interval(self) -> tuple[float, float] | None:
        def headline(rows: np.ndarray) -> float:
            return summary(self.predictions[rows], self.targets[rows]).get(HEADLINE.name, math.nan)

        return bootstrap_interval(headline, len(self.targets))

    def per_target(self) -> PerTarget:
        return per_target(self.predictions, self.targets)


class Regressor(InferenceModel[ImageRegressionSpec | TextRegressionSpec]):
    """A model ready to predict numbers."""

    def predictions(self, *inputs: Tensor) -> np.ndarray:
        """A batch's `inputs`, on any device -> (B, K) float64 in the targets' own units."""
        standardized: np.ndarray = self(*inputs).float().cpu().numpy().astype(np.float64)
        return standardized * np.array(self.spec.target_std) + np.array(self.spec.target_mean)


def evaluate(regressor: Regressor, loader: BatchLoader) -> RegressionEvaluation:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    parts = [(batch.indices.numpy().copy(), regressor.predictions(*batch.inputs)) for batch in loader]
    parts = gather(parts, processes=loader.processes)
    targets = loader.split.targets
    predictions = np.full(targets.shape, np.nan)
    for rows, found in parts:
        predictions[rows] = found
    if len(bad := np.flatnonzero(~np.isfinite(predictions).all(axis=1))):
        raise RunError(not_finite(loader.split.names[bad[0]]))
    std = np.array(regressor.spec.target_std)
    return RegressionEvaluation(predictions, targets, std, time.perf_counter() - started)
