"""Rows that are read by number, and what a split does with them: some rows alone, and rows of several sources."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np


class Window(NamedTuple):
    """How far a shuffle may carry a row: size, in rows. blocks: (N,) int32, which block each row is in; rows of a block
    are best read together.
    """

    size: int
    blocks: np.ndarray


class Source(ABC):
    """N rows. Several threads may read at once.

    shape: of each row, such as (C, H, W); of rows of different lengths, what follows the length.
    """

    shape: tuple[int, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, rows: np.ndarray) -> Any:
        """These rows (B,) int64: (B, *shape) contiguous where all are identical, else a list of B arrays."""

    @property
    def window(self) -> Window | None:
        """How its rows are to be shuffled; None for all together."""
        return None

    def subset(self, rows: np.ndarray) -> "Rows":
        """These rows alone, in this order."""
        return Rows(self, rows)

    def joined(self, others: Sequence["Source"]) -> "Rows":
        """This one's rows, then those of the others."""
        return Rows(self, np.arange(len(self))).joined(others)


class Ragged(Source):
    """Rows of different lengths or sizes, read one by one."""

    @abstractmethod
    def at(self, row: int) -> np.ndarray:
        """A row, (L, *shape)."""

    def read(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self.at(row) for row in rows.tolist()]


class Rows(Source):
    """Some rows of a source, in the order given. Of these, some are rows of that source again. rows: (M,) int64."""

    def __init__(self, source: Source, rows: np.ndarray) -> None:
        self.source, self.rows, self.shape = source, rows, source.shape

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: np.ndarray) -> Any:
        return self.source.read(self.rows[rows])

    @property
    def window(self) -> Window | None:
        window = self.source.window
        return None if window is None else Window(window.size, window.blocks[self.rows])

    def subset(self, rows: np.ndarray) -> "Rows":
        return Rows(self.source, self.rows[rows])

    def joined(self, others: Sequence[Source]) -> "Rows":
        parts = [self, *(part if isinstance(part, Rows) else part.subset(np.arange(len(part))) for part in others)]
        if all(part.source is self.source for part in parts):
            return Rows(self.source, np.concatenate([part.rows for part in parts]))
        joined = _Joined(parts)
        return Rows(joined, np.arange(len(joined)))


class _Joined(Source):
    """The rows of several sources, one source after the other."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self._parts, self.shape = parts, parts[0].shape
        self._starts = np.cumsum([0, *map(len, parts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, rows: np.ndarray) -> Any:
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        places = [np.flatnonzero(owners == number) for number in range(len(self._parts))]
        found = [
            part.read(rows[here] - start)
            for part, here, start in zip(self._parts, places, self._starts[:-1], strict=True)
        ]
        if isinstance(found[0], np.ndarray):
            values = np.empty((len(rows), *self.shape), found[0].dtype)
            for here, of_part in zip(places, found, strict=True):
                values[here] = of_part
            return values
        by_place = dict(zip(np.concatenate(places).tolist(), chain.from_iterable(found), strict=True))
        return [by_place[place] for place in range(len(rows))]
