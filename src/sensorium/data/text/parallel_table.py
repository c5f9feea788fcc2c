"""A table of sentences and their translations, its columns named by language: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad
from sensorium.data.io.tables import open_table
from sensorium.data.settings import HoldOut
from sensorium.data.table_rows import TablesSettings, table_rows
from sensorium.data.text.pairs import PairListing, refuse_other_formats, translated
from sensorium.data.text.text_settings import PairSettings
from sensorium.errors import RequestError

_OUTER = "translation"  # the column of the Hub's translation data: {"translation": {"en": ..., "de": ...}}


@dataclass(frozen=True, kw_only=True)
class ParallelTable(PairSettings, TablesSettings, HoldOut):
    """A pair a row. source, target: the columns, such as en and de; or the keys of an object `translation` in each row,
    as the Hugging Face Hub has them. Splits that no row and no table names are held out of train.
    """

    task = "translation"

    source: str
    target: str

    def check(self) -> None:
        super().check()
        if self.source == self.target:
            raise RequestError(f"dataset.source and dataset.target are both {self.source}: give two columns.")

    def files(self) -> Iterator[tuple[Path, str]]:
        for path, split in super().files():
            refuse_other_formats(path)
            yield path, split

    def load(self, *, on_bad: OnBad) -> Data:
        found = PairListing(str(self.path))
        found.notes.append(f"translates {self.source} to {self.target} (dataset.source, dataset.target)")
        for row in table_rows(found, self, self._columns()):
            source, target = row.cells["source"], row.cells["target"]
            found.add(source, target, place=str(row.table), line=row.line, split=row.split)
        return translated(found, self, on_bad=on_bad)

    def _columns(self) -> dict[str, str]:
        """The columns of the first table; the others have the same."""
        path, _ = next(self.files())
        there = open_table(path, encoding=self.encoding).columns
        return {
            key: inner if name not in there and (inner := f"{_OUTER}.{name}") in there else name
            for key, name in (("source", self.source), ("target", self.target))
        }
