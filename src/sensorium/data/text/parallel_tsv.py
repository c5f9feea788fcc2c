"""A tab-separated file of sentences and their translations, as Tatoeba's pairs come."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

from sensorium.data.base import Data, OnBad, counted
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_lines, wrong_bytes
from sensorium.data.settings import HoldOut
from sensorium.data.text.pairs import PairListing, refuse_other_formats, translated
from sensorium.data.text.text_settings import PairSettings
from sensorium.errors import RequestError, unknown
from sensorium.text.languages import is_header

Header = Literal["auto"] | bool


@dataclass(frozen=True, kw_only=True)
class ParallelTsv(PairSettings, HoldOut):
    """A pair a line, without quoting: what is between tabs is taken as it is.

    source_column, target_column: which of the columns, from 0; others are not read. header: whether the first line
    names the columns and is no pair; "auto" when both names are languages, or source and target. val_path, test_path:
    files like it that are these splits, which are held out of train otherwise. encoding: null for UTF-8.
    """

    task = "translation"

    path: str | None
    val_path: str | None
    test_path: str | None
    source_column: int
    target_column: int
    header: Header
    encoding: str | None

    def check(self) -> None:
        super().check()
        for key, column in (("source_column", self.source_column), ("target_column", self.target_column)):
            if isinstance(column, bool) or column < 0:
                raise RequestError(f"dataset.{key}={column}: give the number of a column, from 0.")
        if self.source_column == self.target_column:
            raise RequestError(f"dataset.source_column and dataset.target_column are both {self.source_column}.")
        if self.header not in ("auto", True, False):
            raise unknown("header", str(self.header), ("auto", "true", "false"))

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing("path", self.path)
        found = PairListing(path)
        self._read(found, path, split="train")
        for split, given in (("val", self.val_path), ("test", self.test_path)):
            if given is not None:
                self._read(found, existing(f"{split}_path", given), split=split)
        found.notes += self._numbers(found)
        return translated(found, self, on_bad=on_bad)

    def _numbers(self, found: PairListing) -> Iterator[str]:
        """A note for a column of numbers, which are hardly sentences."""
        columns = {"source_column": self.source_column, "target_column": self.target_column}
        for texts, (key, column) in zip(found.texts, columns.items(), strict=True):
            if len(texts) and all(texts.raw(row).isdigit() for row in range(len(texts))):
                yield f"column {column} (from 0) is numbers alone, such as {texts[0]}; dataset.{key} names another one"

    def _read(self, found: PairListing, path: Path, *, split: str) -> None:
        refuse_other_formats(path)
        source, target = self.source_column, self.target_column
        blank = 0
        for number, line in self._pairs(found, path):
            cells = line.split("\t")
            if not line.strip():
                blank += 1
            elif wrong := wrong_bytes(line, encoding=self.encoding or "utf-8"):
                found.refused(str(path), number, wrong, split=split)
            elif len(cells) <= max(source, target):
                what = f"{counted(len(cells), 'column')}, where columns {source} and {target} (from 0) are to be read"
                found.refused(str(path), number, what, split=split)
            else:
                found.add(cells[source], cells[target], place=str(path), line=number, split=split)
        if blank:
            found.notes.append(f"{path}: {counted(blank, 'blank line')} skipped")

    def _pairs(self, found: PairListing, path: Path) -> Iterator[tuple[int, str]]:
        """The numbered lines of a file, without one that names the columns."""
        lines: Iterator[tuple[int, str]] = enumerate(read_lines(path, encoding=self.encoding), start=1)
        first = next(lines, None)
        if first is None:
            return
        cells = first[1].split("\t")
        names = [cells[place] for place in (self.source_column, self.target_column) if place < len(cells)]
        if self.header is True or (self.header == "auto" and len(names) == 2 and is_header(names)):
            other = " (dataset.header=false reads it as one)" if self.header == "auto" else ""
            found.notes.append(f"{path}:1: read as column names, not as a pair: {', '.join(names)}{other}")
        else:
            lines = chain([first], lines)
        yield from lines
