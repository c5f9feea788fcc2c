"""The listing of a source: its examples, each with target, split and location."""

from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import SPLITS, Problem
from sensorium.data.strings import Places
from sensorium.errors import RequestError, listing

# What files and folders call the three splits.
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "eval"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
COLUMN_HINT = "train, val or test"


def split_named(name: str) -> str:
    """train, val or test for what a cell of a table calls a split. Raises ValueError for another word."""
    found = SPLIT_NAMES.get(name.strip().lower())
    if found is None:
        raise ValueError(f"split {name!r} is none of {listing(SPLIT_NAMES)}")
    return found


class Listing(ABC):
    """N examples of a source, kept as columns.

    source: the file or folder, or a name, for messages. problems, notes: what was found while listing. given: the
    splits that the source has, were it only of unusable examples. targets: what is to be predicted for each.
    """

    unit = "example"

    def __init__(self, source: str | Path) -> None:
        self.source = str(source)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.given = {"train"}
        self.targets: list[Any] = []
        self._split_of, self._source_of, self._lines = array("b"), array("l"), array("q")
        self._sources: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._split_of)

    def _append(self, target: Any, split: str, source: str, line: int) -> None:
        """The columns that every listing has. split: train, val, test, or "" when unknown. line: 0 for a whole
        file.
        """
        split = split or "train"
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is none of {', '.join(SPLITS)}")
        self.given.add(split)
        self.targets.append(target)
        self._split_of.append(SPLITS.index(split))
        self._source_of.append(self._sources.setdefault(source, len(self._sources)))
        self._lines.append(line)

    def refused(self, source: str, line: int, what: str, *, split: str = "") -> None:
        """Notes a problem with an example that is not listed; its split is there all the same."""
        self.given.add(split or "train")
        self.problems.append(Problem(f"{source}:{line}" if line else source, what))

    @cached_property
    def splits(self) -> np.ndarray:
        """(N,) int64: which of SPLITS each is in; those without a split are in train so far."""
        return np.array(self._split_of, dtype=np.int64)

    @cached_property
    def places(self) -> Places:
        """Where each example is written: file:line, or the file alone."""
        return Places(list(self._sources), np.array(self._source_of, np.int64), np.array(self._lines, np.int64))

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Where the user finds each example."""

    def problem(self, row: int, what: str) -> Problem:
        """What is wrong with an example."""
        place, name = self.places[row], self.names[row]
        return Problem(place, what, "" if name == place else name)

    def rows(self, split: str) -> np.ndarray:
        """The rows of a split, int64."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def need(self, expected: str = "") -> None:
        """A RequestError when nothing was listed. expected: what it should look like, in a line of its own."""
        if not len(self):
            first = f" The first problem: {self.problems[0]}" if self.problems else ""
            end = f"\n{expected}" if expected else ""
            raise RequestError(f"{self.source} lists no usable {self.unit}.{first}{end}")
