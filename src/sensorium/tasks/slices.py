"""Metrics of groups of examples: of a class, a speaker, a source, a range of sizes or lengths, any column of a table.

A mean over all examples hides what it is a mean of (Oakden-Rayner et al. 2020, "Hidden stratification"): a model may
fail one speaker and be good on average.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.attributes import Attribute, Attributes, cells, columns_of
from sensorium.errors import RequestError, listing, nearest
from sensorium.metrics.uncertainty import Interval
from sensorium.tasks.metric import Metric

FEW = 20  # examples below which a group's metric is mostly chance
MOST = 30  # groups that are shown by themselves
BINS = 5  # of numbers, with about as many examples each
_NUMERIC = 10  # different fractions in a column, above which they are binned; of whole numbers it is MOST
RESAMPLES = 200  # of each group's interval, where nothing else is asked for

_NUMBER = re.compile(r"[-+]?(0|[1-9]\d*|(?=\.\d))(\.\d*)?([eE][-+]?\d+)?", re.ASCII)

Groups = dict[str, np.ndarray]  # name -> rows (M,) int64, which may be in several groups


@dataclass(frozen=True)
class Slice:
    """metrics: of these examples alone, without those that are undefined for them. interval: 95%, of the headline."""

    group: str
    size: int
    metrics: dict[str, float]
    interval: Interval | None

    @property
    def few(self) -> bool:
        """Whether there are too few examples to say much."""
        return self.size < FEW


@dataclass(frozen=True)
class Slices:
    """by: what was grouped by. whole: all examples. worst: the group with the worst headline metric, of those with FEW
    examples or more where there are several; None where the metric is the same in all, or no group has it.
    """

    by: str
    headline: Metric
    whole: Slice
    slices: tuple[Slice, ...]

    @property
    def worst(self) -> Slice | None:
        having = [one for one in self.slices if self.headline.name in one.metrics]
        enough = [one for one in having if not one.few]
        sign = 1 if self.headline.higher_is_better else -1
        ranked = sorted(enough if len(enough) > 1 else having, key=lambda one: sign * one.metrics[self.headline.name])
        different = ranked and not math.isclose(*(one.metrics[self.headline.name] for one in (ranked[0], ranked[-1])))
        return ranked[0] if different else None

    def records(self) -> list[dict[str, object]]:
        """A row for each group, then all examples: with every metric, and the ends of the headline's interval."""
        names = list(self.whole.metrics)
        return [
            {
                "group": one.group,
                "examples": one.size,
                **{name: one.metrics.get(name) for name in names},
                "low": one.interval[0] if one.interval else None,
                "high": one.interval[1] if one.interval else None,
                "few": one.few,
            }
            for one in (*self.slices, self.whole)
        ]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a metric that is undefined for a group is null."""
        return {"by": self.by, "worst": self.worst.group if self.worst else None, "groups": self.records()}

    def line(self) -> str:
        """The worst group in a sentence."""
        worst, name = self.worst, self.headline.name
        if name not in self.whole.metrics or not any(name in one.metrics for one in self.slices):
            return f"no group by {self.by} has a {name}"
        if worst is None:
            return f"no group by {self.by} is worse than the others: {name} {self.whole.metrics[name]:.4f}"
        ends = f" ({worst.interval[0]:.4f} to {worst.interval[1]:.4f})" if worst.interval else ""
        few = f", fewer than {FEW}: mostly chance" if worst.few else ""
        there = f"{name} {worst.metrics[name]:.4f}{ends} of {worst.size:,} examples{few}"
        return f"worst by {self.by}: {worst.group}, {there}; all: {self.whole.metrics[name]:.4f}"


def grouped(by: str, known: Attributes, origins: Sequence[tuple[str, int]], *, encoding: str | None) -> Groups:
    """The groups of a split's examples. known: its attributes, which go before a column of the same name. origins:
    where its examples were read, as for `cells`; () where that is no table.

    Raises RequestError for what is neither an attribute nor a column, and for what makes one group only.
    """
    if by in known:
        return _groups(by, known[by]())
    columns = columns_of(origins, encoding=encoding)
    if by in columns:
        return _groups(by, cells(origins, by, encoding=encoding, key="slices"))
    if not known and not columns:
        raise RequestError(f"slices={by}: nothing is known of the examples of this data that could group them.")
    guess = nearest(by, [*known, *columns])
    hint = f" Did you mean slices={guess}?" if guess else ""
    parts = [
        f"Known of each example: {listing(known)}." if known else "",
        f"Columns of the table: {listing(columns)}." if columns else "The examples are not rows of a table.",
    ]
    raise RequestError(f"There is nothing named {by!r} to group by.{hint}\n{' '.join(filter(None, parts))}")


def measured(evaluation: Any, groups: Groups, *, by: str, headline: Metric, resamples: int) -> Slices:
    """Every group, and all examples, by the same arithmetic. evaluation: an `Evaluation`."""
    measure = evaluation.measure()

    def slice_of(name: str, rows: np.ndarray) -> Slice:
        metrics = {key: value for key, value in measure(rows).items() if not math.isnan(value)}
        return Slice(name, len(rows), metrics, evaluation.interval_of(rows, measure, headline.name, resamples))

    found = tuple(slice_of(name, rows) for name, rows in groups.items())
    return Slices(by, headline, slice_of("all", np.arange(evaluation.size)), found)


def _groups(by: str, found: Attribute) -> Groups:
    if found.values.ndim == 2:
        rows = {name: np.flatnonzero(found.values[:, place]) for place, name in enumerate(found.names)}
        return {name: of for name, of in rows.items() if len(of)}
    numbers = found.values if found.values.dtype.kind == "f" else _numbers(found.values) if found.untyped else None
    if numbers is not None:
        return _binned(by, numbers, found.unit)
    return _named(by, found.values)


def _numbers(values: np.ndarray) -> np.ndarray | None:
    """(N,) float64 of cells that are all numbers, of many different values; else None. An empty cell is NaN.

    A number with a zero before it, such as 007, is a name; so are up to MOST different whole numbers (sites, hours).
    """
    there = [value for value in np.unique(values).tolist() if value]
    if not all(map(_NUMBER.fullmatch, there)):
        return None
    fewest = MOST if all(float(value).is_integer() for value in there) else _NUMERIC
    return np.array([float(value or "nan") for value in values.tolist()]) if len(there) > fewest else None


def _binned(by: str, numbers: np.ndarray, unit: str) -> Groups:
    """By quantiles, named by the smallest and the largest of each bin."""
    missing = np.isnan(numbers)
    there = numbers[~missing]
    bins = max(1, min(BINS, len(there) // FEW))
    if bins == 1 and len(np.unique(there)) > 1:
        raise RequestError(
            f"slices={by}: {len(there):,} examples are too few to group by a number; it takes {FEW} in each of two"
            " ranges or more."
        )
    inner = np.unique(np.quantile(there, np.arange(1, bins) / bins)) if len(there) else np.zeros(0)
    place = np.where(missing, -1, np.searchsorted(inner, numbers, side="left"))
    groups: Groups = {}
    for number in np.unique(place[~missing]).tolist():
        rows = np.flatnonzero(place == number)
        low, high = (f"{end:.6g}" for end in (numbers[rows].min(), numbers[rows].max()))
        name = f"{low if low == high else f'{low} to {high}'} {unit}".strip()
        groups[name] = np.concatenate([groups.get(name, rows[:0]), rows])
    if missing.any():
        groups["(empty)"] = np.flatnonzero(missing)
    return _several(by, groups)


def _named(by: str, values: np.ndarray) -> Groups:
    """A group for each value, in the order of their names; beyond MOST, the smaller ones together."""
    names, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(names) > MOST and len(names) > len(values) / 2:
        raise RequestError(
            f"slices={by}: {len(names):,} different values in {len(values):,} examples make no groups. Choose a column"
            " whose values repeat."
        )
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST]) if len(names) > MOST else np.arange(len(names))
    groups = {str(names[number]) or "(empty)": np.flatnonzero(place == number) for number in kept.tolist()}
    if len(kept) < len(names):
        groups[f"({len(names) - len(kept):,} smaller groups)"] = np.flatnonzero(~np.isin(place, kept))
    return _several(by, groups)


def _several(by: str, groups: Groups) -> Groups:
    if len(groups) < 2:
        only = next(iter(groups), "nothing")
        raise RequestError(f"slices={by}: all examples are in one group ({only}); nothing can be compared.")
    return groups
