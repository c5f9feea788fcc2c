"""Tables that list examples: a row each, its cells by what they mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sensorium.data.base import Problem, counted
from sensorium.data.io.paths import existing
from sensorium.data.io.tables import check_column, open_table
from sensorium.data.listing import Listing, split_named
from sensorium.data.settings import Settings
from sensorium.errors import RequestError, cut
from sensorium.files import user_path


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
        """The file that a cell names, absolute or seen from `root`, None for the table's folder. Backslashes, as
        Windows writes them, may stand for slashes.

        Raises ValueError when there is none.
        """
        folder = root or self.table.parent
        path = folder / user_path(name)
        try:
            if path.is_file():
                return path
            if "\\" in name and (windows := folder / name.replace("\\", "/")).is_file():
                return windows
        except OSError as error:  # a text of 5,000 letters is no name
            raise ValueError(f"{cut(name)!r} cannot be a file name ({error.strerror})") from None
        raise ValueError(f"there is no file {cut(path)}")


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
            usual = key.removesuffix("_column")
            if column is not None or usual in table.columns:
                chosen[key] = check_column(path, table, key, usual if column is None else str(column))
        for row in table.rows(list(chosen.values())):
            if isinstance(row, Problem):
                found.problems.append(row)
                continue
            line, cells = row
            named = {
                key: cell if key.partition("[")[0] == raw else cell.strip()
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
