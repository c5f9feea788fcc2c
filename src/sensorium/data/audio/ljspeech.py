"""LJ Speech, and folders like it: metadata.csv with ID|TRANSCRIPT|NORMALIZED, and wavs/ID.wav.

K. Ito and L. Johnson, "The LJ Speech Dataset", 2017, https://keithito.com/LJ-Speech-Dataset/
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.base import Data, OnBad, counted
from sensorium.data.folders import note_others
from sensorium.data.io.text_files import read_lines, wrong_bytes
from sensorium.data.locate import published
from sensorium.data.settings import HoldOut
from sensorium.errors import RequestError, unknown
from sensorium.files import visible
from sensorium.suffixes import AUDIO_SUFFIXES

_TABLE, _FOLDER = "metadata.csv", "wavs"


@dataclass(frozen=True, kw_only=True)
class LjSpeech(SpeechSettings, HoldOut):
    """root: the folder with metadata.csv and wavs, or the one around LJSpeech-1.1.

    Lines are cut at "|", and quotation marks are the writer's own. transcript: "normalized" takes the third cell, with
    numbers and abbreviations in words, or the second where there are two; "raw" takes the second. Val and test are held
    out.
    """

    task = "recognition"

    root: str | None
    transcript: Literal["normalized", "raw"]

    def check(self) -> None:
        super().check()
        if self.transcript not in ("normalized", "raw"):
            raise unknown("transcript", str(self.transcript), ("normalized", "raw"))

    def load(self, *, on_bad: OnBad) -> Data:
        files = "LJSpeech-1.1.tar.bz2 (keithito.com/LJ-Speech-Dataset), unpacked,"
        root = published("ljspeech", self.root, inner=("LJSpeech-1.1",), files=files, has=(_TABLE, _FOLDER))
        found = AudioListing(root)
        recordings = _recordings(found, root / _FOLDER)
        table = root / _TABLE
        lines_of: dict[str, int] = {}
        two_cells, blank = 0, 0
        for number, line in enumerate(read_lines(table, key=None), start=1):
            if not line.strip():
                blank += 1
                continue
            name, *texts = (cell.strip() for cell in line.split("|"))
            wrong = wrong_bytes(line, key=None) or _wrong(name, texts, lines_of, recordings)
            lines_of.setdefault(name, number)
            if wrong:
                found.refused(str(table), number, wrong)
                continue
            two_cells += len(texts) == 1
            text = texts[0] if self.transcript == "raw" else texts[-1]
            found.add(recordings[_stem(name)], text, source=str(table), line=number)
        self._note(found, table, recordings, lines_of, two_cells=two_cells, blank=blank)
        found.need(f"Expected: lines ID|TRANSCRIPT|NORMALIZED in {table}, and {root / _FOLDER}/ID.wav.")
        return transcribed(found, self, on_bad=on_bad)

    def _note(
        self,
        found: AudioListing,
        table: Path,
        recordings: dict[str, Path],
        lines_of: dict[str, int],
        *,
        two_cells: int,
        blank: int,
    ) -> None:
        listed = {_stem(name) for name in lines_of}
        others = [path for stem, path in recordings.items() if stem not in listed]
        if others:
            what = counted(len(others), "recording")
            found.notes.append(f"{table.parent / _FOLDER}: {what} not in {_TABLE}, such as {others[0].name}")
        if two_cells and self.transcript == "normalized":
            found.notes.append(f"{table}: {counted(two_cells, 'line')} without a third cell; the second is used")
        if blank:
            found.notes.append(f"{table}: {counted(blank, 'blank line')} skipped")
        rest = [path for path in sorted(table.parent.iterdir()) if visible(path.name) and not path.is_dir()]
        note_others(found, table.parent, [path for path in rest if path != table])


def _recordings(found: AudioListing, folder: Path) -> dict[str, Path]:
    """The recordings in wavs by name without suffix."""
    files = [path for path in sorted(folder.iterdir()) if visible(path.name) and not path.is_dir()]
    recordings: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() in AUDIO_SUFFIXES and recordings.setdefault(path.stem, path) != path:
            raise RequestError(f"{folder} has both {recordings[path.stem].name} and {path.name}. Keep one.")
    note_others(found, folder, [path for path in files if path.suffix.lower() not in AUDIO_SUFFIXES])
    return recordings


def _stem(name: str) -> str:
    """The name of a recording without folder and suffix, which some tables write; a dot may belong to it."""
    path = Path(name)
    return path.stem if path.suffix.lower() in AUDIO_SUFFIXES else path.name


def _wrong(name: str, texts: list[str], lines_of: dict[str, int], recordings: dict[str, Path]) -> str:
    """What is wrong with a line; "" for nothing."""
    if len(texts) not in (1, 2):
        return f"{counted(1 + len(texts), 'cell')} between |, where ID|TRANSCRIPT|NORMALIZED or ID|TRANSCRIPT is needed"
    if name in lines_of:
        return f"{name!r} occurs twice, first on line {lines_of[name]}"
    return "" if _stem(name) in recordings else f"there is no recording {_FOLDER}/{name}"
