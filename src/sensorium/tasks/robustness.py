"""How a model's headline metric falls when its inputs are corrupted: curves over severities 1 to 5."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.corrupted import SEVERITIES, Corruption
from sensorium.errors import RequestError
from sensorium.files import write_csv
from sensorium.randomness import generator
from sensorium.tasks.base import Evaluation, Metric
from sensorium.tasks.plots import GREY, new_figure, save_figure

MOST_EXAMPLES = 2000  # that are corrupted, in each of some ten to twenty ways
SEED = 0


@dataclass(frozen=True)
class Curve:
    """kind: of corruption. what: its settings, in words, which are by severity. metrics: of each severity, all."""

    kind: str
    what: str
    settings: tuple[float, ...]
    metrics: tuple[dict[str, float], ...]

    def values(self, name: str) -> list[float | None]:
        """A metric by severity; None where it is undefined."""
        return [one.get(name) for one in self.metrics]


@dataclass(frozen=True)
class Robustness:
    """clean: metrics of the same examples as they are. examples: how many. headline: what is compared."""

    headline: Metric
    examples: int
    clean: dict[str, float]
    curves: tuple[Curve, ...]

    def records(self) -> list[dict[str, object]]:
        """A row for each kind: the headline metric without corruption, then at each severity."""
        name = self.headline.name
        return [
            {"corruption": one.kind, "clean": self.clean[name]}
            | {str(severity): value for severity, value in zip(SEVERITIES, one.values(name), strict=True)}
            for one in self.curves
        ]

    def lines(self) -> list[str]:
        """What the settings are, and which kind costs most, in sentences."""
        name = self.headline.name
        settings = [
            f"{one.kind}: {one.what} {', '.join(f'{value:g}' for value in one.settings)}" for one in self.curves
        ]
        means = {
            one.kind: float(np.mean([value for value in one.values(name) if value is not None] or [np.nan]))
            for one in self.curves
        }
        sign = 1 if self.headline.higher_is_better else -1
        worst = min(means, key=lambda kind: sign * means[kind])
        return [
            *settings,
            f"worst: {worst}, mean {name} {means[worst]:.4f} over all severities; clean: {self.clean[name]:.4f}",
        ]


def drawn(size: int) -> np.ndarray:
    """The rows (M,) of at most MOST_EXAMPLES examples, by a fixed seed."""
    return np.sort(generator(SEED).permutation(size)[:MOST_EXAMPLES])


def corruptions_of(split: Any, spec: Any) -> tuple[Corruption, ...]:
    """Those that apply to a split. Raises RequestError where there are none."""
    if not hasattr(split, "corruptions"):
        raise RequestError(f"corrupt does not apply to this checkpoint ({spec}): running text has no examples.")
    found: tuple[Corruption, ...] = split.corruptions(spec)
    return found


def measured(
    corruptions: tuple[Corruption, ...],
    clean: dict[str, float],
    examples: int,
    evaluate: Callable[[Any], Evaluation],
    headline: Metric,
) -> Robustness:
    """Every corruption at every severity. clean: metrics of the same examples. evaluate: of a split."""

    def metrics_of(one: Corruption) -> Iterator[dict[str, float]]:
        for severity in SEVERITIES:
            found = evaluate(one.split(severity, SEED))
            yield dict(found.measure()(np.arange(found.size)))

    curves = [
        Curve(one.kind, one.what, tuple(map(one.setting, SEVERITIES)), tuple(metrics_of(one))) for one in corruptions
    ]
    return Robustness(headline, examples, clean, tuple(curves))


def write_robustness(folder: Path, found: Robustness) -> list[Path]:
    """Writes corruptions.csv, with every metric, and plots/corruptions.png; returns their paths."""
    table, plot = folder / "corruptions.csv", folder / "plots" / "corruptions.png"
    names = list(found.clean)
    rows: list[list[object]] = [["corruption", "severity", "setting", *names]]
    rows.append(["none", 0, "", *found.clean.values()])
    for one in found.curves:
        for severity, setting, metrics in zip(SEVERITIES, one.settings, one.metrics, strict=True):
            rows.append([one.kind, severity, setting, *(metrics.get(name) for name in names)])
    write_csv(table, rows)
    _plot(found, plot)
    return [table, plot]


def _plot(found: Robustness, path: Path) -> None:
    """A line for each corruption, from the clean examples at 0."""
    name = found.headline.name
    figure = new_figure(5.2, 3.4, layout="constrained")
    axes = figure.subplots()
    axes.axhline(found.clean[name], color=GREY, linewidth=1, linestyle="--")
    for one, marker in zip(found.curves, "os^D", strict=False):
        values = [np.nan if value is None else value for value in one.values(name)]
        axes.plot((0, *SEVERITIES), [found.clean[name], *values], marker=marker, markersize=4, label=one.kind)
    axes.set_xlabel("severity (0: as they are)", fontsize=8)
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title(f"{name} of {found.examples:,} corrupted examples", fontsize=9, loc="left")
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
