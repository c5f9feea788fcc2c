"""Numbers to predict: read from cells, checked, held out, and their statistics. Shapes: N examples, K targets."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from sensorium.data.base import counted
from sensorium.data.duplicates import PARTS
from sensorium.data.splits import hold_out
from sensorium.errors import RequestError, listing

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
        raise ValueError(f"{name} is {cell!r}, not a number{comma}") from None
    if not math.isfinite(value):
        raise ValueError(f"{name} is {cell!r}, not a finite number")
    if abs(value) > _LARGEST:
        raise ValueError(f"{name} is {cell!r}, beyond {_LARGEST:g}")
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


def divided(
    *,
    source: object,
    parts: np.ndarray,
    given: set[str],
    rows: np.ndarray,
    keys: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
    example: str,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The usable rows of each part, and notes; parts that nobody gave are held out of train, drawn by seed and content.

    parts: (N,) which of PARTS each example is in. given: the parts that are named. rows: (M,) usable rows. keys: N, of
    the content of each. example: what messages call one. Raises RequestError for a part without a usable example.
    """
    chosen = {part: rows[parts[rows] == number] for number, part in enumerate(PARTS)}
    for part in given:
        if not len(chosen[part]):
            raise RequestError(f"{source} has no usable {example}s left in {part}.")
    missing = {part: share for part, share in fractions.items() if part not in given}
    if not missing:
        return chosen, []
    train = chosen["train"]
    different = len({keys[row] for row in train.tolist()})
    if different < 1 + len(missing):
        raise RequestError(
            f"{source} has {different} different usable {example}s in train, too few to hold out"
            f" {' and '.join(missing)}.\nAdd some, or say in a column which belong to which part."
        )
    held_out = hold_out(
        labels=np.zeros(len(train), dtype=np.int64),
        keys=[keys[row] for row in train.tolist()],
        fractions=missing,
        seed=seed,
        class_names=(example,),
    )
    notes = [
        f"{part}: {counted(len(of), example)} held out of train (split_seed {seed})"
        for part, of in held_out.items()
        if part != "train"
    ]
    return chosen | {part: train[of] for part, of in held_out.items()}, notes
