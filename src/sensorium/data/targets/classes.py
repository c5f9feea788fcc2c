"""A class for each example."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from sensorium.data.base import Problem, class_order, first_problem
from sensorium.data.duplicates import find_unknown_classes
from sensorium.data.listing import Listing
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.errors import RequestError, listing

_MISSING = ("nan", "none", "null", "n/a", "<na>")  # what programs write where there is nothing


class ClassTargets(NoTargets):
    """Class names. class_names: in their order, where the source knows it; else as numbers, or by letters."""

    def __init__(self, found: Listing, *, class_names: Sequence[str] | None = None) -> None:
        self._found, self._given = found, class_names
        self.duplicates = found.targets
        self.copies = f"{found.unit}s that duplicate another of the same class and split"
        self._numbers: dict[str, int] = {}

    def check(self, inputs: Any) -> dict[int, str]:
        """A class is needed."""
        return {row: "no label" for row, name in enumerate(self._found.targets) if not name}

    def unknown(self, rows: np.ndarray) -> tuple[dict[int, str], list[str]]:
        """Rows of val and test whose class train does not have."""
        return find_unknown_classes(
            labels=self._found.targets, splits=self._found.splits, rows=rows, examples=f"{self._found.unit}s"
        )

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """The classes are those of the training rows; at least two."""
        trained = {self._found.targets[row] for row in train.tolist()}
        names = class_order(trained) if self._given is None else [name for name in self._given if name in trained]
        if len(names) < 2:
            there = f"only the class {names[0]!r}" if names else "no class"
            raise RequestError(
                f"{self._found.source} has {there} with usable training {self._found.unit}s; at least two are needed."
                f"{first_problem(problems)}"
            )
        self._numbers = {name: number for number, name in enumerate(names)}

    def strata(self, rows: np.ndarray) -> tuple[np.ndarray, Sequence[str], str]:
        """The classes."""
        return self._labels(rows), list(self._numbers), " by class"

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """Labels (M,) int64."""
        return {"labels": self._labels(rows)}

    def spec(self) -> dict[str, Any]:
        """The class names."""
        return {"class_names": tuple(self._numbers)}

    def notes_on(self, rows: Rows) -> list[str]:
        """Classes that may be one, and a class that may be none."""
        alike: dict[object, list[str]] = {}
        for name in self._numbers:
            alike.setdefault(_folded(name), []).append(name)
        same = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
        notes = [f"classes that look alike: {listing(same, limit=10)}; each is a class of its own"] if same else []
        missing = [repr(name) for name in self._numbers if name.lower() in _MISSING]
        if missing:
            notes.append(f"a class is called {listing(missing)}: are these examples without a label?")
        return notes

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        return np.array([self._numbers[self._found.targets[row]] for row in rows.tolist()], dtype=np.int64)


def _folded(name: str) -> object:
    """The same for names that differ in capitals, spaces, or how a letter or a number is written."""
    folded = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    try:
        return float(folded)
    except ValueError:
        return folded
