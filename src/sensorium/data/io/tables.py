"""Tables of texts: CSV with any of the usual separators, TSV, JSON lines, Parquet."""

import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol

from sensorium.data.base import Problem
from sensorium.data.io.text_files import decoded, readable, text_encoding, wrong_bytes
from sensorium.errors import RequestError, listing, missing_extra, nearest

_JSON_LINES = (".jsonl", ".ndjson", ".json")
Row = tuple[int, list[str]]  # the number of its first line, or of the row in Parquet, from 1; its cells


class Table(Protocol):
    """columns: their names, without spaces around them. blank: lines without anything that `rows` has passed over."""

    columns: list[str]
    blank: int

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        """The cells of these columns, row by row; lines that are blank are left out and counted."""


def open_table(path: Path, *, encoding: str | None) -> Table:
    """The table in a file; its ending says of which kind. Raises RequestError for a file that is none."""
    kind = Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()
    if kind == ".parquet":
        return _Parquet(path)
    with readable(path):
        chosen = text_encoding(path, encoding)
        return _JsonLines(path, chosen) if kind in _JSON_LINES else _Delimited(path, chosen, tabs=kind == ".tsv")


def check_column(path: Path, table: Table, key: str, column: str) -> str:
    """The column that dataset.KEY names. A RequestError lists those that are there."""
    if column in table.columns:
        return column
    guess = nearest(column, table.columns)
    hint = f" Did you mean dataset.{key}={guess}?" if guess else f" dataset.{key}=NAME names another one."
    raise RequestError(
        f"{path} has no column {column!r}.{hint}\nIts columns are: {listing(table.columns) or 'none at all'}."
    )


class _Delimited:
    """CSV, separated by what the first line has most of: comma, semicolon or tab (always tab in .tsv)."""

    def __init__(self, path: Path, encoding: str, *, tabs: bool) -> None:
        self._path, self._encoding = path, encoding
        self.blank = 0
        with self._open() as file:
            first = file.readline()
            self._separator = "\t" if tabs else max(",;\t", key=first.count)
            # Many tab-separated files have no quoting, and texts that begin with a quotation mark.
            count = first.count("\t")
            plain = self._separator == "\t" and all(line.count("\t") == count for line in file if line.strip("\r\n"))
            self._plain = plain
        with self._open() as file:
            found = next(self._records(file), (1, []))
            self.columns = [] if isinstance(found, Problem) else [name.strip() for name in found[1]]

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        places = [self.columns.index(column) for column in columns]
        with readable(self._path), self._open() as file:
            records = self._records(file)
            next(records, None)
            self.blank = 0
            for record in records:
                yield record if isinstance(record, Problem) else self._row(*record, places)

    def _row(self, line: int, cells: list[str], places: list[int]) -> Row | Problem:
        if len(cells) != len(self.columns):
            return Problem(f"{self._path}:{line}", f"{len(cells)} cells where the first line has {len(self.columns)}")
        chosen = [cells[place] for place in places]
        if wrong := next(filter(None, map(wrong_bytes, chosen)), None):
            return Problem(f"{self._path}:{line}", wrong)
        return line, [_unquoted(cell) for cell in chosen] if self._plain else chosen

    def _records(self, file: Iterable[str]) -> Iterator[Row | Problem]:
        csv.field_size_limit(sys.maxsize)  # 131,072 characters otherwise: less than a long review
        reader = csv.reader(
            file, delimiter=self._separator, quoting=csv.QUOTE_NONE if self._plain else csv.QUOTE_MINIMAL, strict=True
        )
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                never = "end of data" in str(error)
                what = "a quotation mark opens here and never closes" if never else f"not CSV ({error})"
                yield Problem(f"{self._path}:{line}", what)
                continue
            if cells:
                yield line, cells
            else:
                self.blank += 1

    def _open(self) -> TextIOWrapper:
        return decoded(self._path, self._encoding, newline="")


class _JsonLines:
    """An object a line. The columns are the keys of the first one."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._path, self._encoding = path, encoding
        self.blank = 0
        first = next(self._objects(), None)
        if isinstance(first, Problem):
            raise RequestError(f"{first}.\nJSON lines are needed: an object such as {{...}} on every line.")
        self.columns = [str(name).strip() for name in first[1]] if first else []

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        for found in self._objects():
            if isinstance(found, Problem):
                yield found
                continue
            line, values = found
            named = {name.strip(): value for name, value in values.items()}
            yield _row(f"{self._path}:{line}", line, [named.get(column) for column in columns])

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]] | Problem]:
        self.blank = 0
        with readable(self._path), decoded(self._path, self._encoding, newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield self._object(number, line)
                else:
                    self.blank += 1

    def _object(self, number: int, line: str) -> tuple[int, dict[str, Any]] | Problem:
        place = f"{self._path}:{number}"
        if wrong := wrong_bytes(line):
            return Problem(place, wrong)
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            return Problem(place, f"not JSON ({error})")
        return (number, value) if isinstance(value, dict) else Problem(place, "not a JSON object")


class _Parquet:
    """Apache Parquet, read by the optional package pyarrow a few rows at a time."""

    blank = 0  # it has no lines

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise missing_extra("pyarrow", "parquet") from error
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (ValueError, OSError) as error:
            raise RequestError(f"{path}: not a Parquet file ({str(error).splitlines()[0]}).") from error
        self._path = path
        self.columns = [name.strip() for name in self._file.schema_arrow.names]

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        names = [self._file.schema_arrow.names[self.columns.index(column)] for column in columns]
        number = 0
        for batch in self._file.iter_batches(batch_size=1024, columns=names):
            for values in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                number += 1
                yield _row(f"{self._path}:{number}", number, list(values))


def _row(place: str, number: int, values: list[Any]) -> Row | Problem:
    cells = []
    for value in values:
        try:
            cells.append(_cell(value))
        except (TypeError, UnicodeDecodeError) as error:
            return Problem(place, f"neither text nor a number: {error}")
    return number, cells


def _cell(value: Any) -> str:
    """A typed value as a CSV file would have it; nothing at all is an empty cell."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # what tables make of whole numbers when some are missing
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(type(value).__name__)


def _unquoted(cell: str) -> str:
    """A cell without the quotation marks around it, where these are a program's and not the writer's."""
    inside = cell[1:-1]
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"' or '"' in inside.replace('""', ""):
        return cell
    return inside.replace('""', '"')
