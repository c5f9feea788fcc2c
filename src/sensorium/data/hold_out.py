"""Holding out splits of the data: stratified, seeded, and the same whatever order the examples come in."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from sensorium.errors import RequestError, listing


def hold_out(
    *,
    labels: np.ndarray,
    keys: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
    class_names: Sequence[str],
) -> dict[str, np.ndarray]:
    """Row numbers, sorted, of each split: of "train" and of every name in `fractions`.

    The splits are taken one after the other, each about its fraction of every class that is left, at least one example.
    Every example is drawn by its own key (SHA-256 of seed, split and key), so adding, removing or reordering others
    hardly moves it. Examples of a class with the same key stay together: an image that is there twice never lands on
    both sides.

    labels: (N,) int64. keys: one for each example, its name or content. fractions: such as {"test": 0.2, "val": 0.1}.
    Raises RequestError when a class has fewer different keys than there are splits.
    """
    _check_enough(labels, keys, class_names, splits=("train", *fractions))
    left = np.arange(len(labels))
    splits = {}
    for taken, (split, fraction) in enumerate(fractions.items(), start=1):
        draws = np.array([_draw(seed, split, keys[row]) for row in left.tolist()], dtype=np.uint64)
        held = np.zeros(len(left), dtype=bool)
        for label in range(len(class_names)):
            of_class = np.flatnonzero(labels[left] == label)
            held[_cut(of_class, draws, fraction, still_to_come=len(fractions) - taken)] = True
        splits[split], left = left[held], left[~held]
    return {"train": left, **splits}


def _cut(rows: np.ndarray, draws: np.ndarray, fraction: float, still_to_come: int) -> np.ndarray:
    """The rows of one class with the smallest draws, about `fraction` of them, leaving one key for each later split."""
    rows = rows[np.argsort(draws[rows], kind="stable")]
    # A cut lies between two different keys; the one nearest to what is wanted is taken.
    cuts = 1 + np.flatnonzero(np.diff(draws[rows]))
    cuts = cuts[: len(cuts) - still_to_come]
    return rows[: cuts[np.abs(cuts - fraction * len(rows)).argmin()]]


def _draw(seed: int, split: str, key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\n{split}\n{key}".encode()).digest()[:8], "big")


def _check_enough(labels: np.ndarray, keys: Sequence[str], class_names: Sequence[str], splits: Sequence[str]) -> None:
    different = [
        len({keys[row] for row in np.flatnonzero(labels == label).tolist()}) for label in range(len(class_names))
    ]
    small = [f"{name} ({count})" for name, count in zip(class_names, different, strict=True) if count < len(splits)]
    if small:
        which = f"{', '.join(splits[:-1])} and {splits[-1]}"
        raise RequestError(
            f"Too few distinct examples per class for {which}: {listing(small, limit=10)}.\n"
            f"At least {len(splits)} are needed: add some, remove the class, or assign them to splits yourself."
        )
