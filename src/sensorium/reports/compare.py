"""Several runs side by side: what differs, pairs on the same test examples, seeds pooled. Imports no torch."""

import itertools
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.report_sections import Chart, Series
from sensorium.reports.curves import metric_names, points_of
from sensorium.reports.read import RunFacts
from sensorium.reports.words import named

RESAMPLES = 2000
_EXACT = 5000  # throws of a fair coin up to which their probability is added up exactly
_SEEDS = ("seed", "labels_seed")
# What differs between runs of one config for reasons of their own.
_ASIDE = ("run_root", "resume", "resume_from_start")
_NAMED = ("model._target_", "dataset._target_")  # said by model_name and dataset_name
_MOST_PAIRS = 28


@dataclass(frozen=True)
class Pair:
    """Two runs on the same examples. metric: what is compared. difference: of the means, a minus b, with the ends of
    its 95% interval. wins, losses: examples on which a (b) is better. p_value: of the sign test on those.
    """

    a: str
    b: str
    metric: str
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    wins: int
    losses: int
    p_value: float
    examples: int
    higher_is_better: bool

    @property
    def better(self) -> str:
        """The name of the better one, where the interval tells; else ""."""
        if self.low <= 0 <= self.high:
            return ""
        return self.a if (self.difference > 0) == self.higher_is_better else self.b


@dataclass(frozen=True)
class Pool:
    """Runs that differ by their seed alone. rows: metric, mean, sample standard deviation, lowest and highest value."""

    members: Sequence[str]
    seeds: Sequence[Any]
    rows: Sequence[tuple[str, float, float, float, float]]


def labels(runs: Sequence[RunFacts]) -> list[str]:
    """A, B, C ... Z, R27, R28: short enough for the head of a column."""
    return [chr(ord("A") + place) if place < 26 else f"R{place + 1}" for place in range(len(runs))]


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_differences(runs: Sequence[RunFacts]) -> list[tuple[str, list[Any]]]:
    """Keys whose values are not the same in all runs, with the value of each; None where a run has no such key."""
    configs = [dict(flat(run.config)) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    found = [(key, [config.get(key) for config in configs]) for key in keys if key not in (*_ASIDE, *_NAMED)]
    return [(key, values) for key, values in found if any(value != values[0] for value in values)]


def metric_rows(runs: Sequence[RunFacts]) -> list[tuple[str, list[float | None], list[int]]]:
    """Each metric with its value in each run, and the places of the best: several where they are equal, none where all
    are, or where it is not known which way is better.
    """
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    rows = []
    for name in names:
        values = [run.metrics.get(name) for run in runs]
        rows.append((name, values, _best(name, values, runs)))
    return rows


def _best(name: str, values: Sequence[float | None], runs: Sequence[RunFacts]) -> list[int]:
    ways = {
        run.stored.higher_is_better
        for run in runs
        if run.stored is not None and run.stored.headline.get("name") == name.rpartition("/")[2]
    }
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(ways) != 1 or len(set(known)) < 2:
        return []
    best = max(known) if ways.pop() else min(known)
    return [place for place, value in enumerate(values) if value == best]


def pairs(runs: Sequence[RunFacts], names: Sequence[str]) -> list[Pair]:
    """Every two runs that were tested on the same examples in the same order, by name."""
    found = []
    for (a, left), (b, right) in itertools.combinations(zip(names, runs, strict=True), 2):
        one, other = (run.stored.scores if run.stored is not None else None for run in (left, right))
        if one is None or other is None or one.name != other.name or list(one.of) != list(other.of):
            continue
        x, y = (np.array(scores.values, dtype=np.float64) for scores in (one, other))
        found.append(paired(a, b, x, y, metric=one.name, higher_is_better=one.higher_is_better))
    return found[:_MOST_PAIRS]


def paired(a: str, b: str, x: np.ndarray, y: np.ndarray, *, metric: str, higher_is_better: bool) -> Pair:
    """Two models by their scores (N,) of the same examples; examples without a score in either (NaN) are left out."""
    kept = np.isfinite(x) & np.isfinite(y)
    x, y = x[kept], y[kept]
    gaps = x - y
    random = np.random.default_rng(0)
    means = [gaps[random.integers(len(gaps), size=len(gaps))].mean() for _ in range(RESAMPLES)] if len(gaps) else [0.0]
    low, high = np.quantile(means, [0.025, 0.975])
    better = gaps > 0 if higher_is_better else gaps < 0
    wins, losses = int(better.sum()), int((~better & (gaps != 0)).sum())
    mean_x, mean_y = (float(values.mean()) if len(gaps) else math.nan for values in (x, y))
    difference = float(gaps.mean()) if len(gaps) else math.nan
    p_value = sign_test(wins, losses)
    return Pair(
        a, b, metric, mean_x, mean_y, difference, float(low), float(high), wins, losses, p_value, len(gaps),
        higher_is_better,
    )  # fmt: skip


def sign_test(wins: int, losses: int) -> float:
    """Two-sided probability of a split at least so uneven of a fair coin's throws; McNemar's exact test where a score
    is right or wrong. Beyond 5,000 throws by the normal distribution, with a correction for continuity.
    """
    throws, fewer = wins + losses, min(wins, losses)
    if wins == losses:
        return 1.0
    if throws <= _EXACT:
        return min(1.0, 2 * sum(math.comb(throws, k) for k in range(fewer + 1)) / 2**throws)
    z = (throws / 2 - fewer - 0.5) / (math.sqrt(throws) / 2)
    return math.erfc(z / math.sqrt(2))


def pooled(runs: Sequence[RunFacts], names: Sequence[str]) -> list[Pool]:
    """Groups of two or more runs whose configs differ by seed alone: mean, standard deviation and range of metrics."""
    groups: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        key = {name: value for name, value in flat(run.config) if name not in (*_SEEDS, *_ASIDE)}
        if key:
            groups.setdefault(repr(sorted(key.items(), key=lambda item: item[0])), []).append(place)
    found = []
    for places in groups.values():
        seeds = [runs[place].seed for place in places]
        if len(places) < 2 or len(set(map(str, seeds))) < 2:
            continue
        rows = []
        for name in runs[places[0]].metrics:
            values = [runs[place].metrics.get(name, math.nan) for place in places]
            if all(math.isfinite(value) for value in values):
                spread = statistics.stdev(values)
                rows.append((name, statistics.fmean(values), spread, min(values), max(values)))
        found.append(Pool([names[place] for place in places], seeds, rows))
    return found


def curve_charts(runs: Sequence[RunFacts], names: Sequence[str]) -> list[Chart]:
    """Validation curves of all runs together: of the loss, and of what the first run monitors."""
    monitor = next((str(run.summary["monitor"]) for run in runs if "monitor" in run.summary), "")
    known = metric_names([row for run in runs for row in run.history], monitor)
    chosen = [name for name in known if name in ("loss", monitor.partition("/")[2])]
    found = []
    for name in chosen:
        series = [
            Series(name=label, points=points_of(run.history, f"val/{name}"))
            for label, run in zip(names, runs, strict=True)
        ]
        title = f"validation {named(name)}"
        found.append(Chart(title=title, series=series, x_label="epoch", y_label=named(name)))
    return found
