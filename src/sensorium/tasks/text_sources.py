"""The texts of files for `predict`, by the rules of training: a line each, or a row each of a table."""

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sensorium.data.base import Problem
from sensorium.data.io.tables import check_column, is_table, open_table
from sensorium.data.io.text_files import has_mark, is_encoding, opened, read_lines, readable, wrong_bytes
from sensorium.data.text.text_columns import joined
from sensorium.errors import RequestError, listing
from sensorium.files import not_a_file
from sensorium.tasks.text_inputs import UnreadableText

READING = ("encoding", "column")  # the keys of `predict` about files of texts
_KEY = "encoding"
_USUAL = "text"  # the column of a table where the training had none
_PART = 1 << 20  # bytes


@dataclass(frozen=True, kw_only=True)
class TextReading:
    """How files are read.

    encoding: as asked for; None takes `trained`, the training's own, or else UTF-8, or what a byte order mark says.
    column: of a table, as asked for. joined: the columns that training joined, with `separator` between them. columns:
    those that may hold the texts otherwise, the likeliest first. cell: the place, from 0, of the text in lines with
    tabs, for a training on such lines; None takes lines whole.
    """

    encoding: str | None = None
    trained: str | None = None
    column: str | None = None
    joined: tuple[str, ...] = ()
    separator: str = ""
    columns: tuple[str, ...] = (_USUAL,)
    cell: int | None = None

    def texts(self, path: Path) -> Iterator[str | UnreadableText]:
        """The texts in a file: of each row of a table (CSV, TSV, JSON lines, Parquet), else of each line.

        A row that cannot be read is one that says why. Raises RequestError for a file that is not in its encoding, with
        file, line and byte, before the first text, and for a table without the column.
        """
        encoding = self._encoding(path)
        if is_table(path) and (self.cell is None or self.column is not None):
            if wrong := not_a_file(path):
                raise RequestError(f"{path} is {wrong}; a table is read twice.")
            if path.suffix != ".parquet":
                _check_lines(path, encoding)
            return self._rows(path, encoding)
        if path.is_file():  # a pipe can be read once only
            _check_lines(path, encoding)
        return self.lines(path, encoding=encoding)

    def lines(self, source: Path | IO[bytes], *, encoding: str | None = None) -> Iterator[str]:
        """The texts in the lines of a file or stream. Raises RequestError for the first that is not in its encoding,
        and where a column of a table is asked for.
        """
        if self.column is not None:
            name = source if isinstance(source, Path) else "standard input"
            raise RequestError(
                f"column={self.column} names a column of a table, and {name} is read line by line.\n"
                "A table is a file that ends in .csv, .tsv, .jsonl or .parquet."
            )
        for line in _checked(source, encoding or self.encoding):
            cells = line.split("\t")
            place = self.cell if len(cells) > 1 and self.cell is not None and self.cell < len(cells) else None
            yield line if place is None else cells[place]

    def _rows(self, path: Path, encoding: str | None) -> Iterator[str | UnreadableText]:
        table = open_table(path, encoding=encoding, key=_KEY)
        columns = self._columns(table.columns)
        if not columns:
            raise RequestError(
                f"{path} has no column {listing(map(repr, self.columns))}. Name the text column with column=NAME.\n"
                f"Its columns are: {listing(table.columns) or 'none at all'}."
            )
        for column in columns:
            check_column(path, table, "column", column, section="")
        for row in table.rows(columns):
            yield UnreadableText(row.place, row.what) if isinstance(row, Problem) else joined(row[1], self.separator)

    def _columns(self, there: Sequence[str]) -> Sequence[str]:
        """Those to read, of which all are needed; () for none that is known."""
        if self.column is not None:
            return (self.column,)
        return self.joined or [name for name in self.columns if name in there][:1]

    def _encoding(self, path: Path) -> str | None:
        """What to read a file in. Raises RequestError where the training's encoding and the file contradict."""
        if self.encoding is not None or self.trained is None or not path.is_file() or has_mark(path):
            return self.encoding
        if not codecs.lookup(self.trained).name.startswith("utf") and _is_utf8(path):
            raise RequestError(
                f"{path} is in UTF-8, and this checkpoint was trained on files in {self.trained}.\n"
                f"Set {_KEY}=utf-8, or {_KEY}={self.trained} if it looks like UTF-8 by accident."
            )
        return self.trained


def text_reading(given: Mapping[str, Any], dataset: Mapping[str, Any]) -> TextReading:
    """From the keys of a request, and the section `dataset` of the checkpoint's config. That may be of anybody's class:
    keys of the same names that hold something else tell nothing.
    """
    known = [dataset.get(key) for key in ("text_column", "source")]
    names = [str(name) for name in known if isinstance(name, str | int)]
    if isinstance(source := dataset.get("source"), str):
        names.append(f"translation.{source}")  # as data.text.parallel_table has it
    joined_columns, separator = _joined_columns(dataset)
    place, trained = dataset.get("source_column"), dataset.get("encoding")
    return TextReading(
        encoding=None if given.get(_KEY) is None else str(given[_KEY]),
        trained=trained if isinstance(trained, str) and is_encoding(trained) else None,
        column=None if given.get("column") is None else str(given["column"]),
        joined=joined_columns,
        separator=separator,
        columns=tuple(dict.fromkeys([*names, _USUAL])),
        cell=place if isinstance(place, int) else None,
    )


def _joined_columns(dataset: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """The columns that training joined, and what it put between them."""
    several, separator = dataset.get("text_column"), dataset.get("text_separator")
    if isinstance(several, list | tuple) and isinstance(separator, str):
        return tuple(map(str, several)), separator
    return (), ""


def _check_lines(path: Path, encoding: str | None) -> None:
    for _ in _checked(path, encoding):
        pass


def _checked(source: Path | IO[bytes], encoding: str | None) -> Iterator[str]:
    name = f"{source}:" if isinstance(source, Path) else "standard input, line "
    for number, line in enumerate(read_lines(source, encoding=encoding, key=_KEY), start=1):
        if wrong := wrong_bytes(line, encoding=encoding or "utf-8", key=_KEY):
            raise RequestError(f"{name}{number}: {wrong}.")
        yield line


def _is_utf8(path: Path) -> bool:
    """Whether a file holds UTF-8 that is not ASCII alone."""
    decoder, ascii_alone = codecs.getincrementaldecoder("utf-8")(), True
    with readable(path, key=_KEY), opened(path) as file:
        try:
            while part := file.read(_PART):
                ascii_alone = ascii_alone and part.isascii()
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return not ascii_alone
