"""A table that lists texts and their classes: CSV, TSV, JSON lines or Parquet."""

from dataclasses import dataclass
from typing import ClassVar

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.table_rows import TablesSettings, table_rows
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_settings import TextSettings


@dataclass(frozen=True, kw_only=True)
class TextCsv(TextSettings, TablesSettings, HoldOut, ConflictSettings):
    """One text a row, and its class. Splits that no row and no table names are held out of train."""

    task: ClassVar[str] = "classification"

    text_column: str
    label_column: str

    def load(self, *, on_bad: OnBad) -> Data:
        found = TextListing(str(self.path))
        columns = {"text_column": self.text_column, "label_column": self.label_column}
        for row in table_rows(found, self, columns, raw="text_column"):
            text, label = row.cells["text_column"], row.cells["label_column"]
            found.add(text, label, source=str(row.table), line=row.line, split=row.split)
        return text_classes(found, self, on_bad=on_bad)
