"""A table that lists images and one or several numbers for each: CSV, TSV, JSON lines or Parquet."""

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings
from sensorium.data.table_rows import TableSettings, table_rows
from sensorium.data.targets.numbers import check_target_columns, read_targets, target_columns
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_numbers
from sensorium.data.vision.listing import ImageListing


@dataclass(frozen=True, kw_only=True)
class ImageRegressionCsv(ImageFileSettings, TableSettings, ConflictSettings):
    """One image a row: its path, absolute or relative to the table's folder, and its numbers, in target_columns. Splits
    that no row names are held out of train.
    """

    task = "regression"

    path_column: str
    target_columns: Sequence[str] | None

    def load(self, *, on_bad: OnBad) -> Data:
        names = check_target_columns(self.target_columns)
        found = ImageListing(str(self.path))
        columns = target_columns(names, {"path_column": self.path_column})
        for row in table_rows(found, self, columns):
            name, *cells = row.cells.values()
            try:
                if not name:
                    raise ValueError("no path")
                targets, path = read_targets(names, cells), row.file(name)
            except ValueError as error:
                found.refused(str(row.table), row.line, str(error), split=row.split)
                continue
            found.add(path, targets, split=row.split, source=str(row.table), line=row.line)
        return image_numbers(found, self, names, on_bad=on_bad)
