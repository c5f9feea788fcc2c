"""A split of the data made of columns: arrays, strings and stores with an entry for each example."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from sensorium.data.attributes import Attribute


@runtime_checkable
class Store(Protocol):
    """A column that knows how its rows are picked and joined: a `Source`, a `TokenStore`, `Strings`."""

    def subset(self, rows: np.ndarray) -> Any:
        """These rows alone."""

    def joined(self, others: Sequence[Any]) -> Any:
        """This one's rows, then those of the others."""


class Columns:
    """The base of splits, which are dataclasses. constants: the fields that are not columns."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    constants: ClassVar[tuple[str, ...]] = ()

    def __len__(self) -> int:
        return len(getattr(self, self._names()[0]))

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        """What examples can be grouped by. class_names: what the labels are numbers of."""
        return {}

    def subset(self, rows: np.ndarray) -> Self:
        """A split of these rows alone, in this order. rows: (M,) int64."""
        return self._with({name: _subset(getattr(self, name), rows) for name in self._names()})

    def joined(self, others: Sequence[Self]) -> Self:
        """A split of this one's examples, then those of others of its kind."""
        splits = (self, *others)
        return self._with({name: _joined([getattr(split, name) for split in splits]) for name in self._names()})

    def _names(self) -> list[str]:
        return [name for name in self.__dataclass_fields__ if name not in self.constants]

    def _with(self, values: dict[str, Any]) -> Self:
        return replace(self, **values)


def _subset(values: Any, rows: np.ndarray) -> Any:
    if isinstance(values, np.ndarray):
        return values[rows]
    if isinstance(values, Store):
        return values.subset(rows)
    return [values[row] for row in rows.tolist()]


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return parts[0].joined(parts[1:]) if isinstance(parts[0], Store) else list(chain.from_iterable(parts))
