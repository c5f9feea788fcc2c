"""What a source says there is: recordings with what is said in them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sensorium.data.audio.store import Flat, FlatWriter, packed
from sensorium.data.base import Problem
from sensorium.data.duplicates import PARTS


@dataclass(frozen=True, slots=True)
class Recording:
    """sound: the file, or the row of samples at hand. text: the label or the transcript. part: train, val or test.

    speaker: "" when nobody said. start, end: seconds of the file that count; None for its end. place: for messages.
    """

    sound: str | int
    text: str
    part: str
    speaker: str
    start: float
    end: float | None
    place: str

    @property
    def name(self) -> str:
        """What a person finds it by: the file, with its seconds where it is a piece of one, such as "a.wav[1.5-3]"."""
        if isinstance(self.sound, int):
            return self.place
        if not self.start and self.end is None:
            return self.sound
        return f"{self.sound}[{self.start:g}-{'' if self.end is None else f'{self.end:g}'}]"

    def problem(self, what: str) -> Problem:
        """What is wrong with it."""
        return Problem(self.place, what if self.name == self.place else f"{self.name}: {what}")


class Recordings:
    """Recordings one after the other, to be handed to `SoundSettings.make` or `SpeechSettings.make`.

    source: the file or folder, or a name. problems, notes: what was found while listing.
    """

    def __init__(self, source: str | Path) -> None:
        self.source = str(source)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.given = {"train"}  # parts that the source has, were it only of unusable recordings
        self.listed: list[Recording] = []
        self._writer = FlatWriter()

    def __len__(self) -> int:
        return len(self.listed)

    def add(
        self,
        sound: Path | np.ndarray,
        *,
        text: str,
        part: str = "",
        speaker: str = "",
        start: float = 0.0,
        end: float | None = None,
        place: str = "",
    ) -> None:
        """The next recording.

        sound: a file, or (N,) float32 samples from -1 to 1 at the dataset's rate, which are copied. text: the label or
        the transcript; none is a problem. part: train, val, test, or "" when nobody said. start, end: seconds, of a
        file. place: for messages, such as "list.csv:17"; "" takes the file's name, or SOURCE[NUMBER].
        """
        part = part or "train"
        if part not in PARTS:
            raise ValueError(f"part {part!r} is none of {', '.join(PARTS)}")
        self.given.add(part)
        if isinstance(sound, np.ndarray):
            if sound.ndim != 1 or start or end is not None:
                raise ValueError("samples at hand must be one-dimensional, and the whole recording")
            place = place or f"{self.source}[{len(self)}]"
            which: str | int = len(self._writer)
            self._writer.add(packed(sound.astype(np.float32, copy=False)))
        else:
            which = str(sound)
            place = place or which
        self.listed.append(Recording(which, text.strip(), part, speaker, start, end, place))

    @cached_property
    def samples(self) -> Flat:
        """The samples at hand; nothing can be added after."""
        return self._writer.finish()
