"""Tables of texts: CSV with any common separator, TSV, JSON lines, Parquet."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import TextIOWrapper
from itertools import chain, takewhile
from pathlib import Path
from typing import Any, Protocol

from sensorium.data.base import Problem
from sensorium.data.io.delimited import Fault, Kinds, Row, Rows, declared_separator, is_spaced, separator_of
from sensorium.data.io.text_files import KEY, decoded, readable, wrong_bytes
from sensorium.errors import RequestError, listing, missing_extra, nearest
from sensorium.text.tokenizer import clean, stripped

_JSON_LINES = (".jsonl", ".ndjson", ".json")
_SUFFIXES = (".csv", ".tsv", ".parquet", *_JSON_LINES)
_EXACT = 2**53  # the whole numbers that a float has all of


class Table(Protocol):
    """columns: their names, without spaces around them. blank: lines without anything that `rows` has passed over."""

    columns: list[str]
    blank: int

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        """The cells of these columns, row by row, each with the number of its first line (of the row in Parquet), from
        1; lines that are blank are passed over and counted.
        """


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name, packed or not."""
    return _kind(path) in _SUFFIXES


def _kind(path: Path) -> str:
    return Path(path.stem).suffix.lower() if path.suffix == ".gz" else path.suffix.lower()


def open_table(path: Path, *, encoding: str | None, key: str = KEY) -> Table:
    """The table in a file; its ending says of which kind. Raises RequestError for a file that is none.

    encoding: None for UTF-8, or what its byte order mark says. key: the setting that names it, for errors.
    """
    kind = _kind(path)
    if kind == ".parquet":
        return _Parquet(path)
    if kind in _JSON_LINES:
        return _JsonLines(path, encoding, key)
    return _Delimited(path, encoding, key, tabs=kind == ".tsv")


def check_column(path: Path, table: Table, key: str, column: str, *, section: str = "dataset.") -> str:
    """The column that dataset.KEY names. A RequestError lists those that are there."""
    count = table.columns.count(column)
    if count == 1:
        return column
    if count:
        raise RequestError(f"{path} has {count} columns named {column!r}. Rename all but one.")
    if path.suffix == ".tsv" and len(table.columns) == 1 and separator_of(table.columns[0]) in table.columns[0]:
        raise RequestError(f"{path}: tabs separate a .tsv, and {table.columns[0]!r} has none. Name the file .csv.")
    guess = nearest(column, table.columns)
    hint = f" Did you mean {section}{key}={guess}?" if guess else f" {section}{key}=NAME names another one."
    raise RequestError(
        f"{path} has no column {column!r}.{hint}\nIts columns are: {listing(table.columns) or 'none at all'}."
    )


class _Delimited:
    """CSV, separated by what the line of names has most of: comma, semicolon, tab or vertical bar (always tab in .tsv),
    or by what a line "sep=;" above it says.
    """

    def __init__(self, path: Path, encoding: str | None, key: str, *, tabs: bool) -> None:
        self._path, self._given, self._key = path, encoding, key
        self.blank = 0
        with readable(path, key=key), self._open() as file:
            self._encoding = file.encoding
            first = next(filter(str.strip, file), "")
            self._declared = declared_separator(first)
            names = next(filter(str.strip, file), "") if self._declared else first
            self._separator = "\t" if tabs else self._declared or separator_of(names)
            self._spaced = is_spaced(names, self._separator)
            rows = Rows(chain([names], file), separator=self._separator, width=None, spaced=self._spaced)
            header = next(iter(rows), (1, []))
            if isinstance(header, Fault):
                raise RequestError(f"{path}:{header.line}: {header.what}.")
            if wrong := wrong_bytes("".join(header[1]), encoding=file.encoding, key=key):
                raise RequestError(f"{path}:1: {wrong}.")
            self.columns = [_name(cell) for cell in header[1]]
        with readable(path, key=key), self._open() as file:
            sample = list(self._rows(file).sample())
        self._kinds = Kinds(sample)
        self._spaced = self._spaced or is_spaced("", self._separator, sample)

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        places = [self.columns.index(column) for column in columns]
        with readable(self._path, key=self._key), self._open() as file:
            rows = self._rows(file, self._kinds)
            found = iter(rows)
            next(found, None)
            self.blank = 0
            for row in found:
                self.blank = rows.blank - (self._declared is not None)
                yield self._fault(row) if isinstance(row, Fault) else self._row(*row, places)
            self.blank = rows.blank - (self._declared is not None)

    def _rows(self, file: Iterator[str], kinds: Kinds | None = None) -> Rows:
        """All rows, the one of the names first; a line that declares the separator is a blank one."""
        if self._declared:
            above = list(takewhile(lambda line: not line.strip(), file))  # takes the declaring line along
            file = chain(above, ["\n"], file)
        return Rows(file, separator=self._separator, width=len(self.columns), kinds=kinds, spaced=self._spaced)

    def _fault(self, row: Fault) -> Problem:
        return Problem(f"{self._path}:{row.line}", row.what)

    def _row(self, line: int, cells: list[str], places: list[int]) -> Row | Problem:
        if _name(cells[0]) == self.columns[0] and [_name(cell) for cell in cells] == self.columns:
            return Problem(f"{self._path}:{line}", "the names of the columns again, and no row")
        chosen = [cells[place] for place in places]
        for cell in chosen:
            if wrong := wrong_bytes(cell, encoding=self._encoding, key=self._key):
                return Problem(f"{self._path}:{line}", wrong)
        return line, chosen

    def _open(self) -> TextIOWrapper:
        return decoded(self._path, self._given, newline="", key=self._key)


class _JsonLines:
    """An object a line. The columns are the keys of all of them, in the order in which they first appear; of an object
    inside, such as {"translation": {"en": ...}}, they are translation and translation.en.
    """

    def __init__(self, path: Path, encoding: str | None, key: str) -> None:
        self._path, self._given, self._key = path, encoding, key
        self.blank = 0
        names: dict[str, None] = {}
        for number, found in enumerate(self._objects()):
            if not isinstance(found, Problem):
                names |= dict.fromkeys(found[1])
            elif number == 0:  # the file is something else
                raise RequestError(f"{found}.\nJSON lines are needed: an object such as {{...}} on every line.")
        self.columns = list(names)

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        for found in self._objects():
            if isinstance(found, Problem):
                yield found
            else:
                line, values = found
                yield _row(f"{self._path}:{line}", line, [values.get(column) for column in columns])

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]] | Problem]:
        """The number of the line of each object, and its values by their cleaned names."""
        self.blank = 0
        with (
            readable(self._path, key=self._key),
            decoded(self._path, self._given, newline="\n", key=self._key) as file,
        ):
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    self.blank += 1
                elif wrong := wrong_bytes(line, encoding=file.encoding, key=self._key):
                    yield Problem(f"{self._path}:{number}", wrong)
                else:
                    yield self._object(number, line)

    def _object(self, number: int, line: str) -> tuple[int, dict[str, Any]] | Problem:
        place = f"{self._path}:{number}"
        if number == 1 and line.lstrip().startswith("["):
            return Problem(place, "a JSON array; jq -c '.[]' FILE > FILE.jsonl makes lines of it")
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            return Problem(place, f"not JSON ({error})")
        if not isinstance(value, _Pairs):
            return Problem(place, "not a JSON object")
        pairs = list(_flat(value))
        named = dict(pairs)
        if len(named) < len(pairs):
            twice, count = Counter(name for name, _ in pairs).most_common(1)[0]
            return Problem(place, f"the key {twice!r} occurs {count} times")
        return number, named


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: a key may be there twice."""


def _flat(pairs: _Pairs, before: str = "") -> Iterator[tuple[str, Any]]:
    """The keys and values of an object, and those of the objects inside of it."""
    for key, value in pairs:
        name = f"{before}{_name(key)}"
        yield name, value
        if isinstance(value, _Pairs):
            yield from _flat(value, f"{name}.")


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs)  # one for all lines: making it takes longer than a line


class _Parquet:
    """Apache Parquet, read by the optional package pyarrow a few rows at a time. Columns are named as in JSON lines."""

    blank = 0  # it has no lines

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise missing_extra("pyarrow", "parquet") from error
        self._path = path
        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except (ValueError, OSError) as error:
            raise self._damaged(error) from error
        self._paths = list(_paths(self._file.schema_arrow))
        self.columns = [".".join(map(_name, path)) for path in self._paths]

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Problem]:
        paths = [self._paths[self.columns.index(column)] for column in columns]
        names = list(dict.fromkeys(path[0] for path in paths))
        number = 0
        try:
            for batch in self._file.iter_batches(batch_size=1024, columns=names):
                top = {name: batch.column(name).to_pylist() for name in names}
                for row in range(batch.num_rows):
                    number += 1
                    values = [_inner(top[path[0]][row], path[1:]) for path in paths]
                    yield _row(f"{self._path}:{number}", number, values)
        except (ValueError, OSError) as error:  # what is damaged is found when it is reached
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> RequestError:
        return RequestError(f"{self._path}: not a Parquet file ({(str(error).splitlines() or [''])[0]}).")


def _paths(fields: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to each field of a schema or a struct of pyarrow's, and to those inside of it."""
    for field in fields:
        yield (*before, field.name)
        if str(field.type).startswith("struct<"):
            yield from _paths(field.type, (*before, field.name))


def _inner(value: Any, names: Sequence[str]) -> Any:
    for name in names:
        value = None if value is None else value[name]
    return value


@lru_cache(maxsize=1024)
def _name(cell: str) -> str:
    """The name of a column, without what is invisible: spaces around it, and a byte order mark."""
    return stripped(clean(cell, lowercase=False))


def _row(place: str, number: int, values: list[Any]) -> Row | Problem:
    cells = []
    for value in values:
        try:
            cells.append(_cell(value))
        except (TypeError, ValueError) as error:
            return Problem(place, f"neither text nor a number: {error}")
    return number, cells


def _cell(value: Any) -> str:
    """A typed value as a CSV file would have it; nothing at all is an empty cell."""
    if isinstance(value, str):
        return clean(value, lowercase=False)
    if isinstance(value, _Pairs):
        raise TypeError("an object; its values are columns of their own, such as COLUMN.KEY")
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, float) or math.isinf(value):
        raise TypeError("infinity" if isinstance(value, float) else type(value).__name__)
    # What tables make of whole numbers when some are missing.
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else str(value)
