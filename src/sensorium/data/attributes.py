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
    """values: (N,) str; or (N,) float64 in `unit`; or (N, K) bool, which of `names` each example has."""

    values: np.ndarray
    unit: str = ""
    names: Sequence[str] = ()


Attributes = Mapping[str, Callable[[], Attribute]]  # by name, made when asked for


def of_classes(labels: np.ndarray, names: Sequence[str]) -> Attribute:
    """labels: (N,) int64."""
    return Attribute(labels[:, None] == np.arange(len(names)), names=names)


def cells(origins: Sequence[tuple[str, int]], column: str, *, encoding: str | None, key: str) -> Attribute:
    """The cells of a column in the rows that examples were read from. origins: table and line of each, as
    `Places.origins` gives them. key: the setting that names the column, for errors.

    Raises RequestError for examples of no table, and for a column that is not there.
    """
    found: dict[tuple[str, int], str] = {}
    for source in dict.fromkeys(source for source, _ in origins):
        path = Path(source)
        if not is_table(path) or not path.is_file():
            raise RequestError(f"{key}={column}: the examples were not read from the rows of a table.")
        wanted = {line for of, line in origins if of == source}
        table = open_table(path, encoding=encoding)
        check_column(path, table, key, column, section="")
        for row in table.rows([column]):
            if not isinstance(row, Problem) and row[0] in wanted:
                found[source, row[0]] = stripped(row[1][0])
    return Attribute(np.array([found.get(origin, "") for origin in origins], dtype=np.str_))


def attributes_of(split: Any, spec: Any) -> Attributes:
    """Those of a split. spec: of the model, whose classes the split's labels are numbers of."""
    known: Attributes = split.attributes(getattr(spec, "class_names", ())) if hasattr(split, "attributes") else {}
    return known
