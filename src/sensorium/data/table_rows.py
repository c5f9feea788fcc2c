"""Tables that list examples: a row each, its cells by what they mean."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import ClassVar
from unicodedata import normalize

from sensorium.data.base import Problem, counted
from sensorium.data.io.paths import existing
from sensorium.data.io.tables import Table, check_column, open_table
from sensorium.data.listing import SPLIT_NAMES, Listing, split_named
from sensorium.data.settings import Settings
from sensorium.errors import RequestError, cut, listing
from sensorium.files import user_path
from sensorium.text.tokenizer import stripped

_OF_SPLITS = re.compile(r"split|set|part|phase|usage|fold")  # names of columns that may say train, val and test
_LOOKED_AT = 1000  # rows of one


@dataclass(frozen=True, kw_only=True)
class TableSettings(Settings):
    """path: the table; its suffix says how to read it: .csv, .tsv, .jsonl (.ndjson, .json), .parquet, or one of these
    and .gz. split_column: the column that says train, val or test; None takes the column "split" when there is one.
    encoding: None takes UTF-8, or UTF-16 when the file begins with its mark.
    """

    folder_hint: ClassVar[str] = ""  # what to do with a folder

    path: str | None
    split_column: str | None
    encoding: str | None

    def files(self) -> Iterator[tuple[Path, str]]:
        """Every table, and the split that all its rows are in, "" where its rows say."""
        yield existing("path", self.path, hint=self.folder_hint), ""


@dataclass(frozen=True, kw_only=True)
class TablesSettings(TableSettings):
    """val_path, test_path: tables of the same columns that are these splits."""

    val_path: str | None
    test_path: str | None

    def files(self) -> Iterator[tuple[Path, str]]:
        yield from super().files()
        for split, given in (("val", self.val_path), ("test", self.test_path)):
            if given is not None:
                yield existing(f"{split}_path", given), split


@dataclass(frozen=True)
class Row:
    """A row of a table. table: its file. line: the number of its first line. cells: by key, without spaces around them.

    split: train, val, test, or "" when unknown.
    """

    table: Path
    line: int
    cells: Mapping[str, str]
    split: str

    @property
    def place(self) -> str:
        """TABLE:LINE."""
        return f"{self.table}:{self.line}"

    def file(self, name: str, root: Path | None = None) -> Path:
        """The file that a cell names, absolute or relative to `root`, None for the table's folder. Backslashes, as
        Windows writes them, may stand for slashes.

        Raises ValueError when there is none.
        """
        paths = [(root or self.table.parent) / user_path(form) for form in _forms(name)]
        try:
            there = next((path for path in paths if path.is_file()), None)
        except OSError as error:  # a text of 5,000 letters is no name
            raise ValueError(f"{cut(name)!r} cannot be a file name ({error.strerror})") from None
        if there is None:
            raise ValueError(f"there is no file {cut(paths[0])}")
        return there


def _forms(name: str) -> list[str]:
    """A path as it is written, then as other systems would have it: "\\" between folders, accents as letters of their
    own.
    """
    written = (name, name.replace("\\", "/"))
    return list(dict.fromkeys([*written, *(normalize(form, text) for form in ("NFC", "NFD") for text in written)]))


def _called(name: str, columns: Sequence[str]) -> str | None:
    """The column of this name, else the one that differs in capitals alone; None for none or several."""
    alike = [column for column in columns if column.lower() == name]
    return name if name in columns else alike[0] if len(alike) == 1 else None


def _unread_splits(path: Path, table: Table, read: Iterable[str]) -> Iterator[str]:
    """A note for each column that is not read and that says train, val and test, by its name and its first rows."""
    for column in set(table.columns) - set(read):
        if not _OF_SPLITS.search(column.lower()) or table.columns.count(column) > 1:
            continue
        rows = islice(table.rows([column]), _LOOKED_AT)
        names = {stripped(row[1][0]).lower() for row in rows if not isinstance(row, Problem)}
        if len(names) > 1 and names <= set(SPLIT_NAMES):
            what = listing(sorted(names))
            yield f"{path}: the column {column!r} ({what}) is not read; dataset.split_column={column} takes it"


def table_rows(
    found: Listing,
    settings: TableSettings,
    columns: Mapping[str, str],
    *,
    optional: Mapping[str, str | None] | None = None,
    raw: str = "",
) -> Iterator[Row]:
    """The rows of all tables of a dataset; what is wrong with others goes to `found`.

    columns: the setting that names a column -> the column. optional: the same, of columns that need not be there; None
    takes the column that is called like the setting, without "_column", when there is one. raw: a setting whose cells
    keep the spaces around them. A key such as text_column[0] is one of several columns of a setting.

    Raises RequestError for a column that is not there.
    """
    twice = {column for column in columns.values() if list(columns.values()).count(column) > 1}
    if twice:
        keys = [key for key, column in columns.items() if column in twice]
        raise RequestError(f"dataset.{keys[0]} and dataset.{keys[1]} name the same column, {twice.pop()!r}.")
    for path, split in settings.files():
        table = open_table(path, encoding=settings.encoding)
        chosen = {key: check_column(path, table, key.partition("[")[0], str(column)) for key, column in columns.items()}
        wanted = {**(optional or {}), **({} if split else {"split_column": settings.split_column})}
        for key, column in wanted.items():
            there = _called(key.removesuffix("_column"), table.columns) if column is None else str(column)
            if there is not None:
                chosen[key] = check_column(path, table, key, there)
        if not split and "split_column" not in chosen:
            found.notes += _unread_splits(path, table, chosen.values())
        for row in table.rows(list(chosen.values())):
            if isinstance(row, Problem):
                found.problems.append(row)
                continue
            line, cells = row
            named = {
                key: cell if key.partition("[")[0] == raw else stripped(cell)
                for key, cell in zip(chosen, cells, strict=True)
            }
            try:
                own = split_named(named.pop("split_column")) if "split_column" in named else split
            except ValueError as error:
                found.refused(str(path), line, str(error))
                continue
            yield Row(path, line, named, own)
        if table.blank:
            found.notes.append(f"{path}: {counted(table.blank, 'blank line')} skipped")
