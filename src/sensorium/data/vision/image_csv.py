"""A table that lists images and their classes: CSV, TSV, JSON lines or Parquet."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings
from sensorium.data.table_rows import TableSettings, table_rows
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_classes
from sensorium.data.vision.listing import ImageListing


@dataclass(frozen=True, kw_only=True)
class ImageCsv(ImageFileSettings, TableSettings, ConflictSettings):
    """One image a row: its path, absolute or relative to the table's folder, and its class. Splits that no row names
    are held out of train.
    """

    task = "classification"
    folder_hint = "For a folder of class folders use dataset=image_folder dataset.root=FOLDER."

    path_column: str
    label_column: str

    def load(self, *, on_bad: OnBad) -> Data:
        found = ImageListing(str(self.path))
        columns = {"path_column": self.path_column, "label_column": self.label_column}
        for row in table_rows(found, self, columns):
            name, label = row.cells["path_column"], row.cells["label_column"]
            try:
                if not name or not label:
                    raise ValueError("no path" if not name else "no label")
                path = row.file(name)
            except ValueError as error:
                found.refused(str(row.table), row.line, str(error), split=row.split)
                continue
            found.add(path, label, split=row.split, source=str(row.table), line=row.line)
        return image_classes(found, self, on_bad=on_bad)
