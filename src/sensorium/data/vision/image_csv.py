"""A CSV file that lists pictures and their classes."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.files import FileSettings
from sensorium.data.vision.listed import FileList, LabelledFile, existing_image_source
from sensorium.data.vision.store import Channels
from sensorium.errors import RequestError, listing, nearest
from sensorium.specs import Resize

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


class ImageCsv:
    """One picture a line: its path, absolute or seen from the CSV file's folder, and its class.

    split_column: the column that says train, val or test; null takes the column "split" when there is one, else parts
    are held out. The separator is a comma, semicolon or tab, whichever the first line has most of.
    """

    task = "classification"

    def __init__(
        self,
        *,
        path: str | None,
        path_column: str,
        label_column: str,
        split_column: str | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._path = path
        self._columns = (path_column, label_column, split_column)
        self._settings = FileSettings(
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
        found = FileList(path)
        lines = _read(path)
        _, header = next(lines, (1, []))
        columns = [self._position(path, header, column) for column in self._columns]
        for number, cells in lines:
            entry = _entry(path, number, cells, columns, len(header))
            if isinstance(entry, Problem):
                found.problems.append(entry)
            else:
                found.files.append(entry)
        if not found.files:
            more = f" The first problem: {found.problems[0]}" if found.problems else ""
            raise RequestError(f"{path} lists no usable picture.{more}")
        return self._settings.make(found, on_bad)

    def _position(self, path: Path, header: Sequence[str], column: str | None) -> int | None:
        """Where a column is; None for parts that nobody gives."""
        if column is None:
            return header.index("split") if "split" in header else None
        if column in header:
            return header.index(column)
        path_column, label_column, _ = self._columns
        key = {path_column: "path_column", label_column: "label_column"}.get(column, "split_column")
        guess = nearest(column, header)
        hint = f" Did you mean dataset.{key}={guess}?" if guess else f" dataset.{key}=NAME names another one."
        raise RequestError(
            f"{path} has no column {column!r}.{hint}\nIts first line has: {listing(header) or 'nothing'}."
        )


def _read(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first.count))
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 text (at byte {error.start}). Save it as UTF-8.") from error
    except csv.Error as error:
        raise RequestError(f"{path}: not a CSV file ({error}).") from error


def _entry(
    source: Path, number: int, cells: Sequence[str], columns: Sequence[int | None], width: int
) -> LabelledFile | Problem:
    place = f"{source}:{number}"
    if len(cells) != width:
        return Problem(place, f"{len(cells)} cells where the first line has {width}")
    name, label, part = ("" if column is None else cells[column] for column in columns)
    if not name or not label:
        return Problem(place, "no path" if not name else "no label")
    if columns[2] is not None and part.lower() not in _PARTS:
        return Problem(place, f"split {part!r} is none of {listing(_PARTS)}")
    path = source.parent / name
    if not path.is_file():
        return Problem(place, f"there is no file {path}")
    return LabelledFile(path, label, _PARTS.get(part.lower(), ""), place)
