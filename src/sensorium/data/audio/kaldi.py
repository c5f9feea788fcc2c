"""Kaldi's data folders: wav.scp, text and, where there are, segments and utt2spk.

D. Povey et al., "The Kaldi Speech Recognition Toolkit", 2011; https://kaldi-asr.org/doc/data_prep.html
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sensorium.data.audio.audio_settings import SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.base import SPLITS, Data, OnBad, counted
from sensorium.data.folders import inner_folders, split_folders
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_lines, wrong_bytes
from sensorium.data.settings import HoldOut
from sensorium.errors import RequestError, cut, listing
from sensorium.files import is_file, user_path, visible

_NEEDED = ("wav.scp", "text")
_READ = (*_NEEDED, "segments", "utt2spk")
_ABOVE = 4  # folders above wav.scp that its paths may be relative to: recipes write them from their own folder


class _Entry(NamedTuple):
    line: int
    words: str  # behind the name


class _Piece(NamedTuple):
    recording: str
    start: float
    end: float | None


@dataclass(frozen=True, kw_only=True)
class Kaldi(SpeechSettings, HoldOut):
    """`root/wav.scp` and `root/text`; or the same in a folder for each split. train, val, test: the names of these
    folders in root; None finds train, val (dev) and test. Splits that are not there are held out of train.

    A line of wav.scp names a file, absolute or relative to the folder of wav.scp or from one of those above it. A
    command, which ends in "|", is rejected and never run. The file
    segments, where there is one, cuts utterances out of recordings; utt2spk names speakers.
    """

    task = "recognition"

    root: str | None
    train: str | None
    val: str | None
    test: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="folder")
        found = AudioListing(root)
        for split, folder in self._folders(found, root).items():
            _Folder(found, folder, split).add_all()
        found.need(f"Expected: {root}/wav.scp and {root}/text, or the same in {root}/train, dev and test.")
        return transcribed(found, self, on_bad=on_bad)

    def _folders(self, found: AudioListing, root: Path) -> dict[str, Path]:
        """The data folder of each split, "" where unknown."""
        given = {split: name for split in SPLITS if (name := getattr(self, split)) is not None}
        if given:
            folders = {split: existing(split, str(root / name), what="folder") for split, name in given.items()}
            if "train" not in folders:
                raise RequestError(f"dataset.train is not set; dataset.{next(iter(given))} is.")
            others = [path.name for path in inner_folders(root) if path not in folders.values()]
            found.notes += [f"{root}: not used as a split: {listing(others, limit=10)}"] if others else []
        else:
            folders, notes = split_folders(root, expected="dataset.train=NAME names the folder of train.")
            found.notes += notes
        for folder in folders.values():
            missing = [name for name in _NEEDED if not is_file(folder / name)]
            if missing:
                raise RequestError(f"{folder} has no {listing(missing)}, which Kaldi's data needs.{_hint(folder)}")
        return folders


def _hint(folder: Path) -> str:
    """Where wav.scp is instead, in a line of its own."""
    if inside := [path.parent.name for path in sorted(folder.glob("*/wav.scp"))]:
        return f"\nFolders with wav.scp: {listing(inside)}. dataset.train=NAME, val and test name them."
    deeper = sorted({path.parent.parent for path in folder.glob("*/*/wav.scp")})
    return f"\nDid you mean dataset.root={deeper[0]}?" if deeper else ""


class _Folder:
    """One data folder."""

    def __init__(self, found: AudioListing, folder: Path, split: str) -> None:
        self._found, self._folder, self._split = found, folder, split
        self._bases: dict[Path, Path] = {}  # the folder that paths of a folder are relative to
        self._bad: set[str] = set()  # what a line that is rejected names

    def add_all(self) -> None:
        """Adds every utterance of `text`, and what is wrong with lines of the files; notes what is not read."""
        audio, texts = self._table("wav.scp"), self._table("text", empty=True)
        speakers = self._table("utt2spk") if is_file(self._folder / "utt2spk") else {}
        pieces = self._pieces(audio) if is_file(self._folder / "segments") else None
        files: dict[str, Path | str] = {name: self._file(entry) for name, entry in audio.items()}
        self._audio = set(files.values())
        text = self._folder / "text"
        for name, entry in texts.items():
            piece = _Piece(name, 0.0, None) if pieces is None else pieces.get(name)
            if piece is None or piece.recording not in files:
                if name not in self._bad:
                    where = "wav.scp" if pieces is None else "segments"
                    self._refuse(text, entry.line, f"utterance {name!r} is not in {where}")
                continue
            file = files[piece.recording]
            if isinstance(file, str):
                self._refuse(self._folder / "wav.scp", audio[piece.recording].line, f"{name}: {file}")
                continue
            speaker = speakers[name].words if name in speakers else ""
            self._found.add(
                file,
                entry.words,
                split=self._split,
                speaker=speaker,
                start=piece.start,
                end=piece.end,
                source=str(text),
                line=entry.line,
            )
        self._note_unused(texts, list(audio if pieces is None else pieces), speakers)

    def _table(self, file: str, *, empty: bool = False) -> dict[str, _Entry]:
        """The lines of a file by their first word. empty: there may be nothing behind it."""
        path = self._folder / file
        entries: dict[str, _Entry] = {}
        for number, line in self._lines(path):
            name, *rest = re.split("[ \t]+", line.strip(" \t"), maxsplit=1)
            words = rest[0] if rest else ""
            if not words and not empty:
                self._bad.add(name)
                self._refuse(path, number, f"nothing after {name!r}")
            elif name in entries:
                self._refuse(path, number, f"{name!r} occurs twice, first on line {entries[name].line}")
            else:
                entries[name] = _Entry(number, words)
        return entries

    def _lines(self, path: Path) -> Iterator[tuple[int, str]]:
        blank = 0
        for number, line in enumerate(read_lines(path, key=None), start=1):
            if wrong := wrong_bytes(line, key=None):
                self._refuse(path, number, wrong)
            elif line.strip():
                yield number, line
            else:
                blank += 1
        if blank:
            self._found.notes.append(f"{path}: {counted(blank, 'blank line')} skipped")

    def _pieces(self, audio: dict[str, _Entry]) -> dict[str, _Piece]:
        """Of lines UTTERANCE RECORDING START END, in seconds; an end of -1 is that of the recording."""
        path = self._folder / "segments"
        pieces = {}
        for name, (line, words) in self._table("segments").items():
            recording, *times = words.split()
            try:
                start, end = (float(word) for word in times)
                if not (math.isfinite(start) and math.isfinite(end)):
                    raise ValueError
            except ValueError:
                self._bad.add(name)
                self._refuse(path, line, f"{words!r} is not RECORDING START END, in seconds")
                continue
            if recording in audio:
                pieces[name] = _Piece(recording, start, None if end == -1 else end)
            else:
                self._bad.add(name)
                self._refuse(path, line, f"recording {recording!r} is not in wav.scp")
        return pieces

    def _file(self, entry: _Entry) -> Path | str:
        """The file of an entry of wav.scp, or what is wrong with it."""
        if entry.words.endswith("|"):
            return "a command, which is not run; write its output to a file and name that in wav.scp"
        path = user_path(entry.words)
        if path.is_absolute():
            return path if is_file(path) else f"there is no file {cut(path)}"
        places = [self._folder, *self._folder.absolute().parents][: _ABOVE + 1]
        if path.parent in self._bases:
            places = [self._bases[path.parent]]
        base = next((place for place in places if is_file(place / path)), None)
        if base is None:
            return f"there is no file {cut(path)}, relative to {places[0]}"
        self._bases[path.parent] = base
        return base / path

    def _refuse(self, path: Path, line: int, what: str) -> None:
        self._found.refused(str(path), line, what, split=self._split)

    def _note_unused(self, texts: dict[str, _Entry], audio: Sequence[str], speakers: dict[str, _Entry]) -> None:
        """What has no transcript or no speaker, and the files that are not read."""
        notes = self._found.notes
        if silent := [name for name in audio if name not in texts]:
            notes.append(f"{self._folder}: {counted(len(silent), 'recording')} without a line in text: {silent[0]} ...")
        if speakers and (unnamed := [name for name in texts if name not in speakers]):
            notes.append(f"{self._folder}: {counted(len(unnamed), 'utterance')} without a speaker: {unnamed[0]} ...")
        entries = [path for path in sorted(self._folder.iterdir()) if visible(path.name) and path.name not in _READ]
        if others := [path.name for path in entries if path not in self._audio]:
            notes.append(f"{self._folder}: not read: {listing(others, limit=10)}")
