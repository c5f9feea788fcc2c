"""Predictions as a table, as CSV and as JSON: the one place where they become text."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sensorium import output
from sensorium.output import Record

_LARGEST = 1e38  # about the largest number of single precision
FORMATS = ("table", "csv", "json", "jsonl")


class Writable(Protocol):
    """What a writer needs of a prediction."""

    @property
    def error(self) -> str | None: ...

    def to_dict(self) -> Record: ...
    def rows(self) -> list[Record]: ...
    def summary(self) -> Record: ...


class Writer(ABC):
    """Takes predictions one by one. A file is there when all of them are; standard output gets each at once."""

    @abstractmethod
    def write(self, prediction: Any) -> None:
        """Adds one prediction."""

    @abstractmethod
    def close(self) -> None:
        """Called when all are written; a writer that is not closed leaves no file."""

    def targets(self) -> list[Path]:
        """The files that it writes into a folder."""
        return []


class LineWriter(Writer):
    """Writes what `line` makes of each prediction.

    line: given a prediction and whether it is the first one that gives text, the text, or "" for nothing. ending: given
    whether nothing was written, what comes at the end.
    """

    def __init__(
        self,
        line: Callable[[Any, bool], str],
        *,
        output_file: str | None,
        ending: Callable[[bool], str] = lambda empty: "",
    ) -> None:
        self._line, self._ending, self._first = line, ending, True
        self._stack = ExitStack()
        self._file: Any = None
        self._path = output_file

    def write(self, prediction: Any) -> None:
        if self._file is None:
            self._file = self._stack.enter_context(output.opened(self._path))
        text = self._line(prediction, self._first)
        self._first = self._first and not text
        with output.writing(self._path):
            if self._path is None:
                output.put(text)
            else:
                self._file.write(text)

    def close(self) -> None:
        if self._file is None:  # no input at all is still a file
            self._file = self._stack.enter_context(output.opened(self._path))
        with output.writing(self._path):
            self._file.write(self._ending(self._first))
            self._stack.close()
        if self._path is not None:
            for note in output.formula_notes([Path(self._path)]):
                output.complain(note)


class TableWriter(Writer):
    """A table at the end, of the predictions without an error."""

    def __init__(self) -> None:
        self._records: list[Record] = []

    def write(self, prediction: Writable) -> None:
        if prediction.error is None:
            self._records.append(prediction.summary())

    def close(self) -> None:
        if self._records:
            output.write_records(self._records, format="table", output=None)


def short(found: Any) -> Any:
    """A record with its numbers as short as single precision allows: 0.9726888, not 0.9726887941360474."""
    if isinstance(found, float):
        single = np.float32(found) if abs(found) < _LARGEST else found
        return float(str(single))
    if isinstance(found, dict):
        return {key: short(value) for key, value in found.items()}
    return [short(value) for value in found] if isinstance(found, list | tuple) else found


def csv_lines(prediction: Writable, first: bool) -> str:
    """A prediction's rows, behind the header if they are the first."""
    rows = short(prediction.rows())
    return output.as_csv(rows, header=first) if rows else ""


def json_lines(prediction: Writable, first: bool) -> str:
    """A prediction as one line of JSON."""
    return output.as_json(short(prediction.to_dict()))


def json_items(prediction: Writable, first: bool) -> str:
    """A prediction as an item of a JSON array, a line each, behind the array's bracket or a comma."""
    return ("[\n" if first else ",\n") + json_lines(prediction, first).rstrip("\n")


def standard_writer(kind: str, *, output_file: str | None) -> Writer:
    """Of table, csv, json (one array) or jsonl (a line each). A table in a file is what `output.file_format` says."""
    if kind == "table" and output_file is None:
        return TableWriter()
    kind = output.file_format(kind, output_file)
    if kind == "json":
        return LineWriter(json_items, output_file=output_file, ending=lambda empty: "[]\n" if empty else "\n]\n")
    return LineWriter(csv_lines if kind == "csv" else json_lines, output_file=output_file)
