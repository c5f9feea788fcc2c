"""A table that lists images and their tags: CSV, TSV, JSON lines or Parquet."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.io.tables import Table, check_column, open_table
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.store import Channels
from sensorium.data.vision.tagged_files import TagFileSettings, TaggedFile
from sensorium.errors import RequestError, listing
from sensorium.specs import Resize

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
_YES_OR_NO = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_USUAL_SEPARATORS = ("|", ";", ",")


@dataclass(frozen=True)
class _Columns:
    """Names of the columns. labels: one whose cells hold tags, or, with `one_each`, one of 0 and 1 for each tag."""

    path: str
    labels: tuple[str, ...]
    split: str | None
    one_each: bool

    @property
    def names(self) -> list[str]:
        return [self.path, *([self.split] if self.split else []), *self.labels]


class ImageTaggingCsv:
    """One image a row: its path, absolute or seen from the table's folder, and its tags. The ending of the table says
    how to read it: .csv, .tsv, .jsonl (.ndjson, .json), .parquet.

    label_column: cells with tags between which stands `label_separator`; an empty cell is an image without a tag.
    label_columns: instead, a column of 0 and 1 for each tag, which it is named after. split_column: train, val or test;
    null takes the column "split" when there is one, else parts are held out.
    """

    task = "image_tagging"

    def __init__(
        self,
        *,
        path: str | None,
        path_column: str,
        label_column: str,
        label_separator: str,
        label_columns: Sequence[str] | None,
        split_column: str | None,
        encoding: str | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        if not isinstance(label_separator, str) or not label_separator:
            raise RequestError(f"dataset.label_separator={label_separator!r}: give the character between tags, as '|'.")
        if label_columns is not None and (isinstance(label_columns, str) or not label_columns):
            raise RequestError(f"dataset.label_columns={label_columns}: give a list, such as [cat,dog], or null.")
        if label_columns is not None and len(set(label_columns)) < len(label_columns):
            raise RequestError(f"dataset.label_columns names a column twice: {listing(label_columns)}.")
        self._path, self._encoding, self._separator = path, encoding, label_separator
        self._named = (path_column, label_column, label_columns, split_column)
        self._settings = TagFileSettings(
            image_size=image_size,
            resize=resize,
            channels=channels,
            cache_bytes=cache_bytes,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing_image_source("path", self._path, folder=False)
        table = open_table(path, encoding=self._encoding)
        columns = self._columns(path, table)
        files: list[TaggedFile] = []
        problems: list[Problem] = []
        for row in table.rows(columns.names):
            entry = row if isinstance(row, Problem) else self._entry(path, row[0], row[1], columns)
            if isinstance(entry, Problem):
                problems.append(entry)
            else:
                files.append(entry)
        if not files:
            more = f" The first problem: {problems[0]}" if problems else ""
            raise RequestError(f"{path} lists no usable image.{more}")
        return self._settings.make_tagged(
            path,
            files,
            problems,
            class_names=columns.labels if columns.one_each else None,
            notes=[] if columns.one_each else list(self._other_separator(files)),
            on_bad=on_bad,
        )

    def _columns(self, path: Path, table: Table) -> _Columns:
        path_column, label_column, label_columns, split_column = self._named
        check_column(path, table, "path_column", path_column)
        for column in label_columns or ():
            check_column(path, table, "label_columns", str(column))
        if label_columns is None:
            check_column(path, table, "label_column", label_column)
        if split_column is not None:
            check_column(path, table, "split_column", split_column)
        elif "split" in table.columns:
            split_column = "split"
        labels = (label_column,) if label_columns is None else tuple(str(column) for column in label_columns)
        return _Columns(path_column, labels, split_column, one_each=label_columns is not None)

    def _entry(self, source: Path, line: int, cells: Sequence[str], columns: _Columns) -> TaggedFile | Problem:
        place = f"{source}:{line}"
        cells = [cell.strip() for cell in cells]
        name, labels = cells[0], cells[len(cells) - len(columns.labels) :]
        part = cells[1] if columns.split else ""
        path = source.parent / Path(name).expanduser()
        try:
            if not name:
                raise ValueError("no path")
            if columns.split and part.lower() not in _PARTS:
                raise ValueError(f"split {part!r} is none of {listing(_PARTS)}")
            tags = _marked(columns.labels, labels) if columns.one_each else _listed(labels[0], self._separator)
            if not path.is_file():
                raise ValueError(f"there is no file {path}")
        except ValueError as error:
            return Problem(place, str(error))
        return TaggedFile(path, self._separator.join(sorted(tags)), _PARTS.get(part.lower(), ""), place, tags)

    def _other_separator(self, files: Sequence[TaggedFile]) -> Iterator[str]:
        """A note where tags look as if they were separated by something else."""
        if any(len(file.tags) > 1 for file in files):
            return
        found = Counter(sign for file in files for tag in file.tags for sign in _USUAL_SEPARATORS if sign in tag)
        for sign, count in found.most_common(1):
            yield (
                f"{count:,} images have a tag with {sign!r} in it, and none has several; dataset.label_separator"
                f"='{sign}' splits there"
            )


def _listed(cell: str, separator: str) -> tuple[str, ...]:
    """The tags in a cell, in its order. Raises ValueError for an empty one, and for one that is there twice."""
    if not cell:
        return ()
    tags = [tag.strip() for tag in cell.split(separator)]
    if "" in tags:
        raise ValueError(f"an empty tag in {cell!r}")
    twice = [tag for tag, count in Counter(tags).items() if count > 1]
    if twice:
        raise ValueError(f"tag {twice[0]!r} is there twice")
    return tuple(tags)


def _marked(columns: Sequence[str], cells: Sequence[str]) -> tuple[str, ...]:
    """The tags whose column says 1. Raises ValueError for a cell that is neither 0 nor 1."""
    for column, cell in zip(columns, cells, strict=True):
        if cell.lower() not in _YES_OR_NO:
            raise ValueError(
                f"column {column!r} is {cell!r}; it takes 0 or 1" if cell else f"column {column!r} is empty"
            )
    return tuple(column for column, cell in zip(columns, cells, strict=True) if _YES_OR_NO[cell.lower()])
