"""What an evaluation of any task is: metrics, and how sure they are."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from sensorium.metrics.uncertainty import Interval, Measure, bootstrap_interval, metric_intervals, paired_bootstrap
from sensorium.tasks.robustness import Robustness
from sensorium.tasks.slices import Slices


@dataclass(frozen=True)
class Evaluation(ABC):
    """A model's results on a split; each task has a form of it. slices, corruptions: where they were asked for."""

    compared_by: ClassVar[tuple[str, ...]]  # metrics of a comparison, the headline first

    slices: Slices | None = field(default=None, kw_only=True)
    corruptions: Robustness | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """Every metric by name."""

    def to_dict(self) -> dict[str, float]:
        """The metrics, as JSON stores them."""
        return dict(self.metrics)

    def headline_interval(self) -> tuple[float, float] | None:
        """The 95% confidence interval of the metric that the task monitors; None where it has none."""
        return None

    def headline_caveat(self) -> str | None:
        """Why the metric that the task monitors says nothing of these examples, and what does; None where it does."""
        return None

    def signatures(self) -> list[str]:
        """How metrics were computed, a line each, where implementations differ (BLEU)."""
        return []

    @property
    @abstractmethod
    def size(self) -> int:
        """How many examples (of running text: segments) there are to draw from."""

    @abstractmethod
    def measure(self) -> Measure:
        """A function from rows of examples (M,) int64, which may repeat, to the metrics of these alone.

        What takes long (matching boxes, counting n-grams, aligning words) is done once, before it is returned. A
        metric that depends on other things than the examples, such as the time it took, is not among them.
        """

    def intervals(self, resamples: int) -> dict[str, Interval]:
        """95% confidence intervals of metrics by name: examples are drawn with replacement."""
        return metric_intervals(self.measure(), self.size, resamples=resamples)

    def interval_of(self, rows: np.ndarray, measure: Measure, name: str, resamples: int) -> Interval | None:
        """Of a metric of some examples alone, 95%. measure: what `measure` has returned."""
        return bootstrap_interval(
            lambda drawn: measure(rows[drawn]).get(name, math.nan), len(rows), resamples=resamples
        )

    def compared(self, other: Any, resamples: int = 1000) -> dict[str, float]:
        """A paired comparison with another model on the same examples, of the metrics of `compared_by`, the headline
        first.
        """
        return paired_bootstrap(self.measure(), other.measure(), self.size, names=self.compared_by, resamples=resamples)
