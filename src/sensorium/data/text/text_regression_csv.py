"""A table that lists texts and one or several numbers for each: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.table_rows import table_rows
from sensorium.data.targets.numbers import check_target_columns, read_targets, target_columns
from sensorium.data.text.labeled import TextListing, text_numbers
from sensorium.data.text.text_columns import KEY, TextColumnSettings
from sensorium.data.text.text_settings import TextSettings


@dataclass(frozen=True, kw_only=True)
class TextRegressionCsv(TextSettings, TextColumnSettings, HoldOut, ConflictSettings):
    """One text a row, and its numbers, in target_columns. Splits that no row and no table names are held out of
    train.
    """

    task: ClassVar[str] = "regression"

    target_columns: Sequence[str] | None

    def load(self, *, on_bad: OnBad) -> Data:
        names = check_target_columns(self.target_columns)
        found = TextListing(str(self.path))
        for row in table_rows(found, self, target_columns(names, self.text_columns), raw=KEY):
            cells = list(row.cells.values())[len(self.text_columns) :]
            try:
                targets = read_targets(names, cells)
            except ValueError as error:
                found.refused(str(row.table), row.line, str(error), split=row.split)
                continue
            found.add(self.text_of(row), targets, source=str(row.table), line=row.line, split=row.split)
        return text_numbers(found, self, names, on_bad=on_bad)
