"""The listing of a source: recordings, or segments of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sensorium.data.audio.store import AUDIO, Flat, FlatWriter, packed
from sensorium.data.listing import Listing
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

    @cached_property
    def names(self) -> Sequence[str]:
        return _Names(self.recordings, self.places)


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
