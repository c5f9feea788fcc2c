"""A table that lists recordings and what is said in them: CSV, TSV, JSON lines or Parquet."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sensorium.data.audio.listed import Recordings
from sensorium.data.audio.listening import Cache
from sensorium.data.audio.settings import SpeechSettings
from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.io.paths import existing
from sensorium.data.io.tables import Table, check_column, open_table
from sensorium.errors import cut, listing
from sensorium.files import is_file

_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
_OPTIONAL = ("start", "end", "speaker", "split")


class SpeechManifest:
    """One recording a row: its file, absolute or seen from the table's folder, and its transcript. The ending says how
    to read the table: .csv, .tsv, .jsonl (.ndjson, .json), .parquet.

    start_column, end_column: seconds, for a recording that is a piece of a file. split_column: train, val or test. Each
    of these and speaker_column: null takes the column of that name (start, end, speaker, split) when there is one. A
    cell may be empty: from the beginning, to the end, nobody known. val_path, test_path: tables of the same columns
    that are these parts. encoding: of the table; null takes UTF-8, or UTF-16 when it begins with its mark.
    """

    task = "recognition"

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None,
        test_path: str | None,
        audio_column: str,
        text_column: str,
        start_column: str | None,
        end_column: str | None,
        speaker_column: str | None,
        split_column: str | None,
        encoding: str | None,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Cache,
        min_seconds: float | None,
        max_seconds: float | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        language_model: int,
        test_fraction: float,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        self._paths = {"path": path, "val_path": val_path, "test_path": test_path}
        self._needed = {"audio": audio_column, "text": text_column}
        self._optional = dict(
            zip(_OPTIONAL, (start_column, end_column, speaker_column, split_column), strict=True),
        )
        self._encoding = encoding
        self._settings = SpeechSettings(
            sample_rate=sample_rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            language_model=language_model,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        paths = {key: existing(key, given) for key, given in self._paths.items() if given is not None or key == "path"}
        found = Recordings(paths["path"])
        for key, path in paths.items():
            self._read(found, path, part="" if key == "path" else key.removesuffix("_path"))
        return self._settings.make(found, on_bad)

    def _read(self, found: Recordings, path: Path, *, part: str) -> None:
        there: dict[str, bool] = {}  # many rows may be pieces of one file
        for row in self._rows(path, with_split=not part):
            if isinstance(row, Problem):
                found.problems.append(row)
                continue
            place, cells = row
            try:
                sound = _sound(path, cells["audio"], there)
                named = _part(cells["split"]) if "split" in cells else part
                start, end = _seconds("start", cells.get("start")), _seconds("end", cells.get("end"))
            except ValueError as error:
                found.problems.append(Problem(place, str(error)))
                continue
            speaker = cells.get("speaker", "")
            found.add(sound, text=cells["text"], part=named, speaker=speaker, start=start or 0.0, end=end, place=place)

    def _rows(self, path: Path, *, with_split: bool) -> Iterator[tuple[str, dict[str, str]] | Problem]:
        """Place and cells, by what they mean, of every row."""
        table = open_table(path, encoding=self._encoding)
        columns = self._columns(path, table, with_split=with_split)
        for row in table.rows(list(columns.values())):
            if isinstance(row, Problem):
                yield row
            else:
                line, cells = row
                yield f"{path}:{line}", dict(zip(columns, (cell.strip() for cell in cells), strict=True))

    def _columns(self, path: Path, table: Table, *, with_split: bool) -> dict[str, str]:
        """What is there of what a column can mean, and its name."""
        columns = {what: check_column(path, table, f"{what}_column", column) for what, column in self._needed.items()}
        for what, column in self._optional.items():
            if (column is not None or what in table.columns) and (with_split or what != "split"):
                columns[what] = check_column(path, table, f"{what}_column", column or what)
        return columns


def _sound(table: Path, name: str, there: dict[str, bool]) -> Path:
    if not name:
        raise ValueError("no audio")
    path = table.parent / Path(name).expanduser()
    if name not in there:
        there[name] = is_file(path)
    if not there[name]:
        raise ValueError(f"there is no file {cut(path)}")
    return path


def _part(name: str) -> str:
    if name.lower() not in _PARTS:
        raise ValueError(f"split {name!r} is none of {listing(_PARTS)}")
    return _PARTS[name.lower()]


def _seconds(what: str, cell: str | None) -> float | None:
    if not cell:
        return None
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{what} {cell!r} is not a number of seconds")
    return seconds
