"""What is known of each example beside its input and target, to group examples by: attributes of a split, and cells of
the table that it was read from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import Problem
from sensorium.data.io.tables import check_column, is_table, open_table
from sensorium.errors import RequestError
from sensorium.text.tokenizer import stripped


@dataclass(frozen=True)
class Attribute:
    """values: (N,) str; or (N,) float64 in `unit`; or (N, K) bool, which of `names` each example has. untyped: whether
    the strings are cells of a table, which may be numbers.
    """

    values: np.ndarray
    unit: str = ""
    names: Sequence[str] = ()
    untyped: bool = False


Attributes = Mapping[str, Callable[[], Attribute]]  # by name, made when asked for


def of_classes(labels: np.ndarray, names: Sequence[str]) -> Attribute:
    """labels: (N,) int64."""
    return Attribute(labels[:, None] == np.arange(len(names)), names=names)


def columns_of(origins: Sequence[tuple[str, int]], *, encoding: str | None) -> list[str]:
    """The columns of the tables that examples were read from, those that all of them have; [] for examples of no table.

    origins: table and line of each example, as `Places.origins` gives them.
    """
    paths = [Path(source) for source in dict.fromkeys(source for source, _ in origins)]
    if not paths or not all(is_table(path) and path.is_file() for path in paths):
        return []
    first, *others = (open_table(path, encoding=encoding).columns for path in paths)
    return [name for name in first if all(name in other for other in others)]


def cells(origins: Sequence[tuple[str, int]], column: str, *, encoding: str | None, key: str) -> Attribute:
    """The cells of a column in the rows that examples were read from. origins: as of `columns_of`. key: the setting
    that names the column, for errors.

    Raises RequestError for a column that is not there, and for a cell that cannot be read.
    """
    found: dict[tuple[str, int], str] = {}
    problems: list[Problem] = []
    for source in dict.fromkeys(source for source, _ in origins):
        path, wanted = Path(source), {line for of, line in origins if of == source}
        table = open_table(path, encoding=encoding)
        check_column(path, table, key, column, section="")
        for row in table.rows([column]):
            if isinstance(row, Problem):
                problems.append(row)
            elif row[0] in wanted:
                found[source, row[0]] = stripped(row[1][0])
    if missing := [f"{source}:{line}" for source, line in origins if (source, line) not in found]:
        why = next((one.what for one in problems if one.place == missing[0]), "it is not there any more")
        raise RequestError(f"{key}={column}: the cell of {missing[0]} cannot be read: {why}.")
    return Attribute(np.array([found[origin] for origin in origins], dtype=np.str_), untyped=True)


def attributes_of(split: Any, spec: Any) -> Attributes:
    """Those of a split. spec: of the model, whose classes the split's labels are numbers of."""
    known: Attributes = split.attributes(spec.classes) if hasattr(split, "attributes") else {}
    return known
