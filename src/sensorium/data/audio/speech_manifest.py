"""A table that lists recordings and their transcripts: CSV, TSV, JSON lines or Parquet."""

import math
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.settings import HoldOut
from sensorium.data.table_rows import Row, TablesSettings, table_rows


@dataclass(frozen=True, kw_only=True)
class SpeechManifest(SpeechSettings, TablesSettings, HoldOut):
    """One recording a row: its file, absolute or seen from audio_root, and its transcript.

    audio_root: None for the table's folder. start_column, end_column, duration_column: seconds, for a recording that is
    a piece of a file; give end or duration. Each of these and speaker_column: None takes the column of that name
    (start, or offset as NeMo calls it; end; duration; speaker) when there is one. A cell may be empty: from the
    beginning, to the end, speaker unknown.
    """

    task = "recognition"

    audio_column: str
    text_column: str
    start_column: str | None
    end_column: str | None
    duration_column: str | None
    speaker_column: str | None
    audio_root: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        found = AudioListing(str(self.path))
        root = existing("audio_root", self.audio_root, what="folder") if self.audio_root is not None else None
        columns = {"audio_column": self.audio_column, "text_column": self.text_column}
        optional = {
            "start_column": self.start_column,
            "offset_column": None,
            "end_column": self.end_column,
            "duration_column": self.duration_column,
            "speaker_column": self.speaker_column,
        }
        files: dict[str, Path] = {}  # many rows may be pieces of one file
        for row in table_rows(found, self, columns, optional=optional):
            try:
                path = _audio(row, root, files)
                start, end = _piece(row)
            except ValueError as error:
                found.refused(str(row.table), row.line, str(error), split=row.split)
                continue
            found.add(
                path,
                row.cells["text_column"],
                split=row.split,
                speaker=row.cells.get("speaker_column", ""),
                start=start,
                end=end,
                source=str(row.table),
                line=row.line,
            )
        return transcribed(found, self, on_bad=on_bad)


def _audio(row: Row, root: Path | None, files: dict[str, Path]) -> Path:
    name = row.cells["audio_column"]
    if not name:
        raise ValueError("no audio")
    if name not in files:
        try:
            files[name] = row.file(name, root)
        except ValueError as error:
            raise ValueError(f"{error}; dataset.audio_root=FOLDER names the folder that paths start from") from None
    return files[name]


def _piece(row: Row) -> tuple[float, float | None]:
    """Seconds where the recording begins, and where it ends; None for the end of the file.

    A duration without a start is the length of the whole file, which the file itself says better.
    """
    start, offset = (_seconds(row, key) for key in ("start_column", "offset_column"))
    end, duration = (_seconds(row, key) for key in ("end_column", "duration_column"))
    start = offset if start is None else start
    if end is None and start is not None and duration is not None:
        end = start + duration
    return start or 0.0, end


def _seconds(row: Row, key: str) -> float | None:
    cell = row.cells.get(key)
    if not cell:
        return None
    try:
        seconds = float(cell)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ValueError(f"{key.removesuffix('_column')} {cell!r} is not a number of seconds")
    return seconds
