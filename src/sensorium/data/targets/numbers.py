"""Numbers to predict: read from cells, checked, and standardized. Shapes: N examples, K targets."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sensorium.data.base import counted
from sensorium.data.listing import Listing
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.errors import RequestError, cut, listing

# Far from where float32 ends, so that numbers and deviations, and squares of what is standardized, stay finite.
_LARGEST, _LEAST_DEVIATION = 1e30, 1e-30


def read_targets(names: Sequence[str], cells: Sequence[str]) -> tuple[float, ...]:
    """The numbers in the cells of the columns `names`. Raises ValueError for a missing one and for no finite number."""
    return tuple(_number(name, cell.strip()) for name, cell in zip(names, cells, strict=True))


def _number(name: str, cell: str) -> float:
    if not cell:
        raise ValueError(f"no {name}")
    try:
        value = float(cell.replace("_", "?"))  # Python would read 1_0 as ten
    except ValueError:
        comma = "; write decimals with a point" if cell.count(",") == 1 else ""
        raise ValueError(f"{name} is {cut(cell)!r}, not a number{comma}") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {cut(cell)!r}, not a finite number")
    if abs(value) > _LARGEST:
        raise ValueError(f"{name} is {cut(cell)!r}, beyond {_LARGEST:g}")
    return value


def shown(targets: Sequence[float]) -> str:
    """As messages show them; alike only for the same ones."""
    return ", ".join(repr(value) for value in targets)


def check_target_columns(columns: Sequence[str] | None) -> tuple[str, ...]:
    """dataset.target_columns as names. Raises RequestError for what is no list of different names."""
    if isinstance(columns, str) or not columns:
        given = "null" if columns is None else columns
        raise RequestError(f"dataset.target_columns={given}: give a list of columns of numbers, such as [age].")
    names = tuple(str(column) for column in columns)
    if len(set(names)) < len(names):
        raise RequestError(f"dataset.target_columns names a column twice: {listing(names)}.")
    return names


def target_columns(names: Sequence[str], content: Mapping[str, str]) -> dict[str, str]:
    """The columns of a table with numbers, for `table_rows`: what is described first, then every target.

    content: the setting that names a column of paths or texts -> the column. Raises RequestError for a target that is
    one of them.
    """
    for key, column in content.items():
        if column in names:
            raise RequestError(f"dataset.target_columns names {column}, which is dataset.{key.partition('[')[0]}.")
    return {**content} | {f"target_columns[{i}]": name for i, name in enumerate(names)}


def statistics(
    source: object, names: Sequence[str], targets: np.ndarray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each target over the training split: (N, K) float64 -> K and K numbers.

    Raises RequestError for a target that is the same for every example: there is nothing to learn about it.
    """
    for name, column in zip(names, targets.T, strict=True):
        if np.ptp(column) == 0 or column.std() < _LEAST_DEVIATION:
            raise RequestError(
                f"{source}: {name} is {column[0]:g} for each of the {counted(len(column), 'training example')}; there"
                f" is nothing to predict.\nLeave it out of dataset.target_columns, or give examples that differ."
            )
    return tuple(targets.mean(axis=0).tolist()), tuple(targets.std(axis=0).tolist())


def standardized(targets: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """(B, K) float64 in their own units -> (B, K) float32 with a mean near 0 and a deviation near 1.

    The difference is taken in float64: seconds since 1970 are alike in float32 for two minutes.
    """
    found: np.ndarray = ((targets - np.array(mean)) / np.array(std)).astype(np.float32)
    return found


class NumberTargets(NoTargets):
    """Tuples of K numbers. names: of each number, in this order."""

    def __init__(self, found: Listing, names: Sequence[str]) -> None:
        self._found, self._names = found, tuple(names)
        self._targets = np.array(found.targets, dtype=np.float64).reshape(-1, len(self._names))
        self.duplicates = [shown(targets) for targets in found.targets]
        self.copies = f"{found.unit}s that duplicate another with the same targets and split"
        self._mean: tuple[float, ...] = ()
        self._std: tuple[float, ...] = ()

    def fit(self, rows: Rows) -> dict[int, str]:
        """Mean and deviation of each number over train."""
        self._mean, self._std = statistics(self._found.source, self._names, self._targets[rows["train"]])
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """Targets (M, K) float64 in their own units, their mean and deviation."""
        return {"targets": self._targets[rows], "target_mean": self._mean, "target_std": self._std}

    def spec(self) -> dict[str, Any]:
        """Names, means and deviations of the numbers."""
        return {"target_names": self._names, "target_mean": self._mean, "target_std": self._std}
