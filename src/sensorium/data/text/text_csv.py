"""A table that lists texts and their classes: CSV, TSV, JSON lines or Parquet."""

from dataclasses import dataclass
from typing import ClassVar

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.table_rows import table_rows
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_columns import KEY, TextColumnSettings
from sensorium.data.text.text_settings import TextSettings


@dataclass(frozen=True, kw_only=True)
class TextCsv(TextSettings, TextColumnSettings, HoldOut, ConflictSettings):
    """One text a row, and its class. Splits that no row and no table names are held out of train."""

    task: ClassVar[str] = "classification"

    label_column: str

    def load(self, *, on_bad: OnBad) -> Data:
        found = TextListing(str(self.path))
        for row in table_rows(found, self, {**self.text_columns, "label_column": self.label_column}, raw=KEY):
            label = row.cells["label_column"]
            found.add(self.text_of(row), label, source=str(row.table), line=row.line, split=row.split)
        return text_classes(found, self, on_bad=on_bad)
