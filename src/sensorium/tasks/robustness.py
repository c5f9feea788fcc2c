"""How a model's headline metric falls when its inputs are corrupted: curves over severities 1 to 5.

D. Hendrycks and T. Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", 2019,
arXiv 1903.12261: metrics of the same examples under each kind of corruption at each severity, and their mean.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.corrupted import SEVERITIES, Corruption
from sensorium.errors import RequestError
from sensorium.tasks.metric import Metric

MOST_EXAMPLES = 2000  # that are corrupted, in each of ten to twenty ways
_SEED = 0


@dataclass(frozen=True)
class Curve:
    """kind: of corruption. what: its settings, in words, which are by severity. metrics: of each severity, all; NaN
    where they are undefined.
    """

    kind: str
    what: str
    settings: tuple[float, ...]
    metrics: tuple[dict[str, float], ...]

    def values(self, name: str) -> list[float | None]:
        """A metric by severity; None where it is undefined."""
        return [None if math.isnan(one.get(name, math.nan)) else one[name] for one in self.metrics]

    def mean(self, name: str) -> float | None:
        """Of a metric over the severities that have it."""
        return _mean(self.values(name))


@dataclass(frozen=True)
class Robustness:
    """clean: metrics of the same examples without corruption. examples: how many, of `total` in the split. headline:
    the metric that is compared.
    """

    headline: Metric
    examples: int
    total: int
    clean: dict[str, float]
    curves: tuple[Curve, ...]

    @property
    def clean_value(self) -> float | None:
        """The headline metric without corruption; None where it is undefined."""
        value = self.clean.get(self.headline.name, math.nan)
        return None if math.isnan(value) else value

    @property
    def mean(self) -> float | None:
        """The headline metric, a mean over all kinds and severities."""
        return _mean([one.mean(self.headline.name) for one in self.curves])

    @property
    def drop(self) -> float | None:
        """How much worse the mean is than the metric without corruption: above 0 for worse."""
        if self.mean is None or self.clean_value is None:
            return None
        return (self.clean_value - self.mean) * self._sign

    @property
    def worst(self) -> Curve | None:
        """The kind of corruption whose mean is the worst."""
        found = [(self._sign * mean, one) for one in self.curves if (mean := one.mean(self.headline.name)) is not None]
        return min(found, key=lambda pair: pair[0])[1] if found else None

    @property
    def _sign(self) -> int:
        return 1 if self.headline.higher_is_better else -1

    def records(self) -> list[dict[str, object]]:
        """A row for each kind, then their mean: the headline metric clean, at each severity, and on average."""
        name, clean = self.headline.name, self.clean_value
        rows = [(one.kind, one.values(name), one.mean(name)) for one in self.curves]
        columns = zip(*(values for _, values, _ in rows), strict=True)
        rows.append(("mean", [_mean(column) for column in columns], self.mean))
        return [
            {"corruption": kind, "clean": clean, **dict(zip(map(str, SEVERITIES), values, strict=True)), "mean": mean}
            for kind, values, mean in rows
        ]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: everything."""
        return {
            "metric": self.headline.name,
            "examples": self.examples,
            "total": self.total,
            "clean": _stored(self.clean),
            "mean": self.mean,
            "drop": self.drop,
            "worst": self.worst.kind if self.worst else None,
            "corruptions": [
                {"corruption": one.kind, "setting_is": one.what, "severity": severity, "setting": setting}
                | _stored(metrics)
                for one in self.curves
                for severity, setting, metrics in zip(SEVERITIES, one.settings, one.metrics, strict=True)
            ],
        }

    def lines(self) -> list[str]:
        """What the settings are, how much is lost on average, and by which kind most, in sentences."""
        name = self.headline.name
        settings = [
            f"{one.kind}: {one.what} {', '.join(f'{value:g}' for value in one.settings)}" for one in self.curves
        ]
        if self.drop is None or self.worst is None:
            return [*settings, f"{name} is undefined for these examples"]
        way = "lower" if self.headline.higher_is_better == (self.drop >= 0) else "higher"
        mean = self.worst.mean(name)
        return [
            *settings,
            f"mean {name} {self.mean:.4f}, {abs(self.drop):.4f} {way} than without corruption ({self.clean_value:.4f})",
            "no kind makes a difference" if mean == self.clean_value else f"worst: {self.worst.kind}, mean {mean:.4f}",
        ]


def corruptions_of(split: Any, spec: Any) -> tuple[Corruption, ...]:
    """Those that apply to a split. Raises RequestError where there are none."""
    if not hasattr(split, "corruptions"):
        raise RequestError(
            f"corrupt does not apply to this checkpoint ({spec}): what it predicts is the text itself, which would be"
            " corrupted too."
        )
    found: tuple[Corruption, ...] = split.corruptions(spec)
    return found


def measured(
    corruptions: tuple[Corruption, ...],
    clean: dict[str, float],
    sizes: tuple[int, int],
    evaluate: Callable[[Any], Any],
    headline: Metric,
) -> Robustness:
    """Every corruption at every severity, by a fixed seed. clean: metrics of the same examples. sizes: examples and
    total of `Robustness`. evaluate: from a split to its `Evaluation`.
    """

    def metrics_of(one: Corruption) -> Iterator[dict[str, float]]:
        for severity in SEVERITIES:
            found = evaluate(one.split(severity, _SEED))
            yield dict(found.measure()(np.arange(found.size)))

    curves = [
        Curve(one.kind, one.what, tuple(map(one.setting, SEVERITIES)), tuple(metrics_of(one))) for one in corruptions
    ]
    return Robustness(headline, *sizes, clean, tuple(curves))


def _stored(metrics: dict[str, float]) -> dict[str, float | None]:
    """As JSON has them: null for what is undefined."""
    return {name: None if math.isnan(value) else value for name, value in metrics.items()}


def _mean(values: Any) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
