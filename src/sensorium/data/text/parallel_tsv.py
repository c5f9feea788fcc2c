"""A tab-separated file of sentences and their translations, as Tatoeba's pairs come."""

from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_lines
from sensorium.data.settings import HoldOut
from sensorium.data.text.pairs import PairListing, translated
from sensorium.data.text.text_settings import PairSettings


@dataclass(frozen=True, kw_only=True)
class ParallelTsv(PairSettings, HoldOut):
    """A pair a line, without a first line of names and without quoting: what is between tabs is taken as it is.

    source_column, target_column: which of the columns, from 0; others are not read. val_path, test_path: files like
    it that are these splits, which are held out of train otherwise. encoding: null for UTF-8.
    """

    task = "translation"

    path: str | None
    val_path: str | None
    test_path: str | None
    source_column: int
    target_column: int
    encoding: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing("path", self.path)
        found = PairListing(path)
        self._read(found, path, split="train")
        for split, given in (("val", self.val_path), ("test", self.test_path)):
            if given is not None:
                self._read(found, existing(f"{split}_path", given), split=split)
        return translated(found, self, on_bad=on_bad)

    def _read(self, found: PairListing, path: Path, *, split: str) -> None:
        source, target = self.source_column, self.target_column
        for number, line in enumerate(read_lines(path, encoding=self.encoding), start=1):
            cells = line.split("\t")
            if not line.strip():
                continue
            if len(cells) <= max(source, target):
                what = f"{len(cells)} columns, where columns {source} and {target} (from 0) are to be read"
                found.problems.append(Problem(f"{path}:{number}", what))
            else:
                found.add(cells[source], cells[target], place=str(path), line=number, split=split)
