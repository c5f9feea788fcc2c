"""Any number of tags for each example, or none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.data.base import SPLITS, Problem, class_order, first_problem
from sensorium.data.listing import Listing
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.errors import RequestError, cut, listing, nearest


def checked_tags(tags: Sequence[str], *, written: object) -> tuple[str, ...]:
    """The tags of an example, in their order. written: as messages show them.

    Raises ValueError for an empty one, and for one that is there twice.
    """
    if not all(map(str.strip, tags)):
        raise ValueError(f"an empty tag in {cut(written)!r}")
    twice = [tag for tag, count in Counter(tags).items() if count > 1]
    if twice:
        raise ValueError(f"tag {cut(twice[0])!r} occurs twice")
    return tuple(tags)


class TagTargets(NoTargets):
    """Tuples of tags. class_names: the tags there are; None for those of the training examples."""

    rare_groups_stay = True

    def __init__(self, found: Listing, *, class_names: Sequence[str] | None = None) -> None:
        self._found, self._given = found, class_names
        self.duplicates = ["\n".join(sorted(tags)) for tags in found.targets]
        self.copies = f"{found.unit}s that duplicate another with the same tags and split"
        self._numbers: dict[str, int] = {}

    def unknown(self, rows: np.ndarray) -> tuple[dict[int, str], list[str]]:
        """Rows of val and test with a tag that no training example has."""
        targets, splits = self._found.targets, self._found.splits
        train = {tag for row in rows[splits[rows] == 0].tolist() for tag in targets[row]}
        bad = {}
        for row in rows.tolist():
            strange = next((tag for tag in targets[row] if tag not in train), None)
            if strange is not None:
                guess = nearest(strange, train)
                hint = f"; the nearest is {guess!r}" if guess else ""
                bad[row] = f"tag {strange!r} is in {SPLITS[splits[row]]} but not in train{hint}"
        return bad, []

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """The tags are those of the training rows, unless the source says them."""
        there = {tag for row in train.tolist() for tag in self._found.targets[row]}
        if not there:
            raise RequestError(
                f"{self._found.source} has no usable training {self._found.unit} with a tag.{first_problem(problems)}"
            )
        self._numbers = {name: number for number, name in enumerate(self._given or class_order(there))}

    def strata(self, rows: np.ndarray) -> tuple[np.ndarray, Sequence[str], str]:
        """By the rarest tag of each example, so that rare tags are in every split."""
        return rarest_tags(self._matrix(rows)), [*self._numbers, "no tag"], " by rarest tag"

    def fit(self, rows: Rows) -> dict[int, str]:
        """Every split needs an example with a tag: without one there is nothing to measure."""
        for split, of in rows.items():
            if not any(self._found.targets[row] for row in of.tolist()):
                raise RequestError(f"{self._found.source} has no usable {self._found.unit} with a tag in {split}.")
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """Targets (M, K) uint8."""
        return {"targets": self._matrix(rows)}

    def spec(self) -> dict[str, Any]:
        """The tags."""
        return {"class_names": tuple(self._numbers)}

    def notes_on(self, rows: Rows) -> list[str]:
        """Tags that a split has no example of: training cannot learn them, evaluation cannot measure them."""
        notes = []
        for split, of in rows.items():
            there: np.ndarray = self._matrix(of).max(axis=0)
            absent = [name for name, found in zip(self._numbers, there.tolist(), strict=True) if not found]
            if absent:
                notes.append(f"{split} has no {self._found.unit} of: {listing(absent, limit=10)}")
        return notes

    def _matrix(self, rows: np.ndarray) -> np.ndarray:
        """(M, K) uint8: 1 for each tag of these rows."""
        matrix = np.zeros((len(rows), len(self._numbers)), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):
            matrix[place, [self._numbers[tag] for tag in self._found.targets[row]]] = 1
        return matrix


def rarest_tags(targets: np.ndarray) -> np.ndarray:
    """(N, K) -> (N,) int64: of each example the tag that the fewest have, the first of several; K without any."""
    counts = np.where(targets > 0, targets.sum(axis=0, dtype=np.int64), len(targets) + 1)
    return np.where(targets.any(axis=1), counts.argmin(axis=1), targets.shape[1])
