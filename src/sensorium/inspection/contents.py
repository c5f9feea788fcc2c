"""The examples of a dataset as the checks see them: all splits in one, whatever the task. N examples."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sensorium.data.base import SPLITS
from sensorium.inspection.findings import Finding

NO_PAIRS = np.zeros((0, 2), dtype=np.int64)
NO_ROWS = np.zeros(0, dtype=np.int64)
Table = tuple[Sequence[str], Sequence[Sequence[object]]]  # column names, rows of cells


class Inputs(Protocol):
    """What differs between images, texts and recordings."""

    def near_duplicates(self) -> np.ndarray:
        """(P, 2) int64: pairs of rows whose content is nearly the same, the lower row first, each pair once."""

    def constant(self) -> np.ndarray:
        """(M,) int64: rows in which nothing changes, such as a black image."""

    def features(self, rows: np.ndarray) -> Any:
        """(M, F) for a linear model, a NumPy array or a sparse matrix; learned from these inputs, not from labels."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """unit: what one example is called. names: of each. splits: (N,) which of SPLITS. inputs: None for a task whose
    examples cannot be compared. labels: (N,) int64, negative for none; None for a task without one class an example.
    groups: the speaker or source of each, "" where unknown. measures: (N,) of sizes and lengths by name and unit, NaN
    where unknown. kinds: (N,) of what should be the same for all, such as a sample rate; 0 where unknown. own: what
    the task itself found. table: the rows as a table that a dataset reads; None where there is no such table, `whynot`
    says why.
    """

    unit: str
    names: Sequence[str]
    splits: np.ndarray
    inputs: Inputs | None = None
    labels: np.ndarray | None = None
    class_names: Sequence[str] = ()
    groups: Sequence[str] = ()
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    kinds: Mapping[str, np.ndarray] = field(default_factory=dict)
    own: Sequence[Finding] = ()
    table: Callable[[np.ndarray], Table] | None = None
    whynot: str = "this kind of data is not listed in a table"

    def __len__(self) -> int:
        return len(self.splits)

    def split(self, row: int) -> str:
        """train, val or test."""
        return SPLITS[int(self.splits[row])]

    def named(self, row: int) -> str:
        """An example as messages write it: its name, its split, and its class where it has one."""
        label = "" if self.labels is None or self.labels[row] < 0 else f", {self.class_names[int(self.labels[row])]}"
        return f"{self.names[row]} ({self.split(row)}{label})"


def split_numbers(data: Any) -> np.ndarray:
    """(N,) int64: which of SPLITS each example of train, then val, then test is in."""
    sizes = [len(getattr(data, name)) for name in SPLITS]
    return np.repeat(np.arange(len(SPLITS)), sizes)
