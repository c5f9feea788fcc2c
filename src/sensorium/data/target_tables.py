"""Tables that list examples and the numbers of each: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Problem
from sensorium.data.io.tables import check_column, open_table
from sensorium.data.targets import read_targets
from sensorium.errors import RequestError, listing

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}


@dataclass(frozen=True)
class TargetRow:
    """content: the cell with the path or the text. part: train, val, test, or "" when nobody said. line: from 1."""

    content: str
    targets: tuple[float, ...]
    part: str
    line: int


@dataclass(frozen=True)
class TargetTable:
    """Which columns there are. content_key: the setting that names content_column. split_column: None takes the column
    "split" when there is one. encoding: None for UTF-8, or UTF-16 with its mark.
    """

    content_key: str
    content_column: str
    target_columns: tuple[str, ...]
    split_column: str | None
    encoding: str | None

    def rows(self, path: Path, *, part: str = "") -> Iterator[TargetRow | Problem]:
        """Every row of the file, or what is wrong with it. part: that of all rows, where the file says none.

        Raises RequestError for a column that is not there.
        """
        table = open_table(path, encoding=self.encoding)
        columns = [check_column(path, table, self.content_key, self.content_column)]
        for column in self.target_columns:
            if column == self.content_column:
                raise RequestError(f"dataset.target_columns names {column}, which is dataset.{self.content_key}.")
            columns.append(check_column(path, table, "target_columns", column))
        if not part and (self.split_column is not None or "split" in table.columns):
            columns.append(check_column(path, table, "split_column", self.split_column or "split"))
        for row in table.rows(columns):
            yield row if isinstance(row, Problem) else self._row(path, *row, part=part)

    def _row(self, path: Path, line: int, cells: Sequence[str], *, part: str) -> TargetRow | Problem:
        last = 1 + len(self.target_columns)
        content, numbers, split = cells[0], cells[1:last], cells[last:]
        named = split[0].strip() if split else part
        try:
            if (named or split) and named.lower() not in _PARTS:
                raise ValueError(f"split {named!r} is none of {listing(_PARTS)}")
            targets = read_targets(self.target_columns, numbers)
        except ValueError as error:
            return Problem(f"{path}:{line}", str(error))
        return TargetRow(content, targets, _PARTS.get(named.lower(), ""), line)
