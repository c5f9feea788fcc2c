"""A table that lists recordings and their transcripts: CSV, TSV, JSON lines or Parquet."""

from dataclasses import dataclass

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.audio.table_files import AudioFiles, piece
from sensorium.data.base import Data, OnBad
from sensorium.data.settings import HoldOut
from sensorium.data.table_rows import TablesSettings, table_rows


@dataclass(frozen=True, kw_only=True)
class SpeechManifest(SpeechSettings, TablesSettings, HoldOut):
    """One recording a row: its file, absolute or relative to audio_root, and its transcript.

    audio_root: None for the table's folder; see `AudioFiles`. start_column, end_column, duration_column: seconds, for a
    recording that is a piece of a file; give end or duration. Each of these and speaker_column: None takes the column
    of that name (start, or offset as NeMo calls it; end; duration; speaker) when there is one. A cell may be empty:
    from the beginning, to the end, speaker unknown.
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
        files = AudioFiles(self.audio_root)
        columns = {"audio_column": self.audio_column, "text_column": self.text_column}
        optional = {
            "start_column": self.start_column,
            "offset_column": None,
            "end_column": self.end_column,
            "duration_column": self.duration_column,
            "speaker_column": self.speaker_column,
        }
        for row in table_rows(found, self, columns, optional=optional):
            try:
                path = files.of(row, row.cells["audio_column"])
                start, end = piece(row)
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
        found.notes += files.notes
        return transcribed(found, self, on_bad=on_bad)
