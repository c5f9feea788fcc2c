"""Recordings listed in the rows of a table: files, or segments of them."""

import math
from functools import cached_property
from pathlib import Path

from sensorium.data.base import counted
from sensorium.data.io.paths import existing
from sensorium.data.table_rows import Row
from sensorium.files import walk
from sensorium.suffixes import AUDIO_SUFFIXES

_ROUNDED = 0.1  # seconds: times in tables are rounded


class AudioFiles:
    """The files that cells name: absolute, or relative to dataset.audio_root; None for the table's folder.

    Below an audio_root that is given, a file is also found by its name alone, if only one there is called so: tables
    name what lies in audio/fold5, and leave ".wav" away.
    """

    def __init__(self, audio_root: str | None) -> None:
        self._root = None if audio_root is None else existing("audio_root", audio_root, what="folder")
        self._files: dict[tuple[Path, str], Path] = {}  # many rows may be pieces of one file
        self._by_name = 0

    def of(self, row: Row, name: str) -> Path:
        """The file that a cell of a row names. Raises ValueError when there is none."""
        if not name:
            raise ValueError("no audio")
        key = row.table, name
        if key not in self._files:
            try:
                self._files[key] = row.file(name, self._root)
            except ValueError as error:
                self._files[key] = self._below(name, error)
        return self._files[key]

    @property
    def notes(self) -> list[str]:
        """How many files were found by their name alone, and how many of audio_root no row names."""
        notes = []
        if self._by_name:
            notes.append(f"{self._root}: {counted(self._by_name, 'recording')} found by name below it")
        named = set(self._files.values())
        if self._root and (others := [path for path in self._recordings if path not in named]):
            notes.append(
                f"{self._root}: {counted(len(others), 'recording')} not listed in the table, such as {others[0]}"
            )
        return notes

    def _below(self, name: str, error: ValueError) -> Path:
        there = self._there.get(Path(name).name, []) if Path(name).name == name else []
        if len(there) > 1:
            raise ValueError(f"{len(there)} files have this name: {there[0]}, {there[1]}") from None
        if not there:
            hint = "" if self._root else "; dataset.audio_root=FOLDER is what paths are relative to"
            raise ValueError(f"{error}{hint}") from None
        self._by_name += 1
        return there[0]

    @cached_property
    def _there(self) -> dict[str, list[Path]]:
        """The recordings below audio_root by name, and by name without suffix."""
        found: dict[str, list[Path]] = {}
        for path in self._recordings:
            found.setdefault(path.name, []).append(path)
            found.setdefault(path.stem, []).append(path)
        return found

    @cached_property
    def _recordings(self) -> list[Path]:
        files = walk(self._root)[0] if self._root else []
        return [path for path in files if path.suffix.lower() in AUDIO_SUFFIXES]


def piece(row: Row) -> tuple[float, float | None]:
    """Seconds where the recording begins, and where it ends; None for the end of the file.

    A duration without a start is the length of the whole file, which the file itself says better.
    """
    start, offset = (_seconds(row, key) for key in ("start_column", "offset_column"))
    end, duration = (_seconds(row, key) for key in ("end_column", "duration_column"))
    if start is not None and offset is not None and start != offset:
        raise ValueError(f"start {start:g} and offset {offset:g} contradict each other")
    start = offset if start is None else start
    if None not in (start, end, duration) and abs(end - start - duration) > _ROUNDED:  # type: ignore[operator]
        raise ValueError(f"start {start:g}, end {end:g} and duration {duration:g} contradict each other")
    if end is None and start is not None and duration is not None:
        end = start + duration
    return start or 0.0, end


def _seconds(row: Row, key: str) -> float | None:
    cell = row.cells.get(key)
    if not cell:
        return None
    try:
        seconds = float(cell.replace("_", "?"))  # Python would read 1_0 as ten
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{key.removesuffix('_column')} {cell!r} is not a number of seconds")
    return seconds
