"""Columns of strings, built lazily."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast, overload

import numpy as np


class Strings(Sequence[str]):
    """Strings that are made when asked for, by `at`."""

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        return self.subset(np.arange(len(self))[row]) if isinstance(row, slice) else self.at(row)

    def __eq__(self, other: object) -> bool:
        """Whether it is a list, or the like, of the same strings."""
        alike = isinstance(other, Sequence) and not isinstance(other, str) and len(other) == len(self)
        return alike and all(one == another for one, another in zip(self, cast(Sequence[Any], other), strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of a list

    @abstractmethod
    def at(self, row: int) -> str:
        """One of them."""

    def subset(self, rows: np.ndarray) -> "Strings":
        """These alone, in this order. rows: (M,) int64."""
        return Picked(self, rows)

    def joined(self, others: Sequence[Sequence[str]]) -> list[str]:
        """These, then the others, in memory."""
        return list(chain(self, *others))


class Picked(Strings):
    """Some rows of other strings, looked up when asked for. rows: (N,) int64."""

    def __init__(self, values: Sequence[str], rows: np.ndarray) -> None:
        self._values, self._rows = values, rows

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, row: int) -> str:
        return self._values[int(self._rows[row])]

    def subset(self, rows: np.ndarray) -> Strings:
        return Picked(self._values, self._rows[rows])


class Places(Strings):
    """Where each text is from, "file:line"; the file alone, or its name in quotes, for line 0.

    sources: files or names. source_of: (N,) which of them. lines: (N,) from 1; 0 for the whole file.
    """

    def __init__(self, sources: Sequence[str], source_of: np.ndarray, lines: np.ndarray) -> None:
        self._sources, self._source_of, self._lines = sources, source_of, lines

    def __len__(self) -> int:
        return len(self._lines)

    def subset(self, rows: np.ndarray) -> "Places":
        return Places(self._sources, self._source_of[rows], self._lines[rows])

    def origins(self) -> list[tuple[str, int]]:
        """Source and line of each."""
        return [
            (self._sources[of], line) for of, line in zip(self._source_of.tolist(), self._lines.tolist(), strict=True)
        ]

    def at(self, row: int) -> str:
        source, line = self._sources[self._source_of[row]], self._lines[row]
        return f"{source}:{line}" if line else source
