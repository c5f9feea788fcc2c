"""The listing of a source: recordings, or segments of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path

import numpy as np

from sensorium.data.audio.store import AUDIO, Flat, FlatWriter, packed
from sensorium.data.cache import file_sources
from sensorium.data.listing import Listing
from sensorium.data.rows import Window
from sensorium.data.shards.samples import FromShards
from sensorium.data.spill import Spill
from sensorium.data.strings import Strings
from sensorium.text.tokenizer import stripped


@dataclass(frozen=True, slots=True)
class Recording:
    """audio: the file, or the row of samples in memory. speaker: "" when unknown. start, end: seconds of the file
    that count; None for its end.
    """

    audio: str | int
    speaker: str
    start: float
    end: float | None


class AudioListing(Listing):
    """Recordings one after the other. targets: a class name or a transcript each, without white space around it."""

    unit = "recording"

    def __init__(self, source: str | Path) -> None:
        super().__init__(source)
        self.recordings: list[Recording] = []
        self._spill = Spill(AUDIO)
        self._writer = FlatWriter(self._spill.add)

    def add(
        self,
        audio: Path | np.ndarray,
        target: str,
        *,
        split: str = "",
        speaker: str = "",
        start: float = 0.0,
        end: float | None = None,
        source: str = "",
        line: int = 0,
    ) -> None:
        """The next recording.

        audio: a file, or (N,) float32 samples from -1 to 1 at the dataset's rate, which are copied. target: the class
        or the transcript; "" is a problem. split: train, val, test, or "" when unknown. start, end: seconds, of a
        file. source, line: where it is written, for messages; "" takes the file's name, or SOURCE[NUMBER].
        """
        if isinstance(audio, np.ndarray):
            if audio.ndim != 1 or start or end is not None:
                raise ValueError("samples in memory must be one-dimensional, and the whole recording")
            source = source or f"{self.source}[{len(self)}]"
            which: str | int = len(self._writer)
            self._writer.add(packed(audio.astype(np.float32, copy=False)))
        else:
            which = str(audio)
            source = source or which
        self._append(stripped(target), split, source, line)
        self.recordings.append(Recording(which, speaker, start, end))

    @cached_property
    def samples(self) -> Flat:
        """The samples in memory; nothing can be added after."""
        return Flat(self._spill.finish(), **self._writer.where(), width=0)

    def content(self, row: int) -> str | BytesIO:
        """The file of a recording that is not in memory as samples, or its content."""
        audio = self.recordings[row].audio
        assert isinstance(audio, str)
        return audio

    def file_name(self, row: int) -> str:
        """The file of a recording, for messages."""
        return str(self.recordings[row].audio) or self.names[row]

    def sources(self) -> Iterator[bytes]:
        """What says that all recordings are still the same."""
        files = {recording.audio for recording in self.recordings if isinstance(recording.audio, str)}
        looked_at = dict(zip(files, file_sources(files), strict=True))  # many pieces may be of one file
        for recording in self.recordings:
            audio = recording.audio
            yield self.samples.at(audio).tobytes() if isinstance(audio, int) else looked_at[audio]
            yield f" {recording.start} {recording.end}\n".encode()

    @property
    def window(self) -> Window | None:
        """How they are shuffled, where not all together."""
        return None

    @cached_property
    def names(self) -> Sequence[str]:
        return _Names(self.recordings, self.places)


_WHOLE = Recording("", "", 0.0, None)


class ShardAudio(FromShards, AudioListing):
    """Recordings in shards."""

    def take(self, member: int, target: str) -> None:
        super().take(member, stripped(target))
        self.recordings.append(_WHOLE)

    def content(self, row: int) -> BytesIO:
        return self.members[row]

    def sources(self) -> Iterator[bytes]:
        return self.members.sources()

    @property
    def window(self) -> Window | None:
        return self.members.window

    @property
    def names(self) -> Sequence[str]:
        return self.places


class _Names(Strings):
    """The file, with its seconds where a recording is a piece of one, such as "a.wav[1.5-3]"."""

    def __init__(self, recordings: Sequence[Recording], places: Sequence[str]) -> None:
        self._recordings, self._places = recordings, places

    def __len__(self) -> int:
        return len(self._recordings)

    def at(self, row: int) -> str:
        found = self._recordings[row]
        if isinstance(found.audio, int):
            return self._places[row]
        if not found.start and found.end is None:
            return found.audio
        return f"{found.audio}[{found.start:g}-{'' if found.end is None else f'{found.end:g}'}]"
