"""A table that lists images and their tags: CSV, TSV, JSON lines or Parquet."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings
from sensorium.data.table_rows import TableSettings, table_rows
from sensorium.data.targets.tags import checked_tags
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_tags
from sensorium.data.vision.listing import ImageListing
from sensorium.errors import RequestError, listing

_YES_OR_NO = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_USUAL_SEPARATORS = ("|", ";", ",")


@dataclass(frozen=True, kw_only=True)
class ImageTaggingCsv(ImageFileSettings, TableSettings, ConflictSettings):
    """One image a row: its path, absolute or relative to the table's folder, and its tags.

    label_column: cells with tags between which stands label_separator; an empty cell is an image without a tag.
    label_columns: instead, a column of 0 and 1 for each tag, which it is named after. Splits that no row names are held
    out of train.
    """

    task = "image_tagging"

    path_column: str
    label_column: str
    label_separator: str
    label_columns: Sequence[str] | None

    def check(self) -> None:
        super().check()
        separator, columns = self.label_separator, self.label_columns
        if not isinstance(separator, str) or not separator:
            raise RequestError(f"dataset.label_separator={separator!r}: give the character between tags, as '|'.")
        if columns is not None and (isinstance(columns, str) or not columns):
            raise RequestError(f"dataset.label_columns={columns}: give a list, such as [cat,dog], or null.")
        if columns is not None and len(set(columns)) < len(columns):
            raise RequestError(f"dataset.label_columns names a column twice: {listing(columns)}.")

    def load(self, *, on_bad: OnBad) -> Data:
        found = ImageListing(str(self.path))
        given = None if self.label_columns is None else tuple(str(column) for column in self.label_columns)
        columns = {"path_column": self.path_column}
        if given is None:
            columns["label_column"] = self.label_column
        else:
            columns |= {f"label_columns[{number}]": column for number, column in enumerate(given)}
        for row in table_rows(found, self, columns):
            name, *cells = row.cells.values()
            try:
                if not name:
                    raise ValueError("no path")
                tags = _marked(given, cells) if given is not None else _listed(cells[0], self.label_separator)
                path = row.file(name)
            except ValueError as error:
                found.refused(str(row.table), row.line, str(error), split=row.split)
                continue
            found.add(path, tags, split=row.split, source=str(row.table), line=row.line)
        if given is None:
            found.notes += _other_separator(found.targets)
        return image_tags(found, self, on_bad=on_bad, class_names=given)


def _other_separator(targets: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A note where tags look as if they were separated by something else."""
    if any(len(tags) > 1 for tags in targets):
        return
    found = Counter(sign for tags in targets for tag in tags for sign in _USUAL_SEPARATORS if sign in tag)
    for sign, count in found.most_common(1):
        yield (
            f"{count:,} images have a tag with {sign!r} in it, and none has several; dataset.label_separator"
            f"='{sign}' splits there"
        )


def _listed(cell: str, separator: str) -> tuple[str, ...]:
    """The tags in a cell, in its order. Raises ValueError for an empty one, and for one that is there twice."""
    if not cell:
        return ()
    return checked_tags([tag.strip() for tag in cell.split(separator)], written=cell)


def _marked(columns: Sequence[str], cells: Sequence[str]) -> tuple[str, ...]:
    """The tags whose column says 1. Raises ValueError for a cell that is neither 0 nor 1."""
    for column, cell in zip(columns, cells, strict=True):
        if cell.lower() not in _YES_OR_NO:
            raise ValueError(
                f"column {column!r} is {cell!r}; it takes 0 or 1" if cell else f"column {column!r} is empty"
            )
    return tuple(column for column, cell in zip(columns, cells, strict=True) if _YES_OR_NO[cell.lower()])
