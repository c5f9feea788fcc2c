"""Sequences of spoken digits: recordings of the Free Spoken Digit Dataset, joined with silences.

    "seven three one"

Test sequences are made of its official test recordings, the others of the rest, validation and training of different
ones. The silences have a faint noise, 40 dB below the speech, as no real recording is without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.audio.read import UnreadableAudio, read
from sensorium.data.audio.audio_settings import DrawnAudio, SpeechSettings
from sensorium.data.audio.fsdd import Digit, fsdd_folder, list_digits, official_test, with_validation
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import transcribed
from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.settings import HoldOutVal
from sensorium.errors import RequestError
from sensorium.synthetic.audio import quantize_int16
from sensorium.synthetic.numbers import DIGITS

_SILENCE = 0.3  # seconds at most between two digits
_EDGE = (0.05, 0.25)  # seconds before the first digit and behind the last
_NOISE = 0.01  # of the speech, in amplitude

_Pool = Mapping[tuple[str, int], Sequence[np.ndarray]]  # the recordings of a digit by a speaker


@dataclass(frozen=True, kw_only=True)
class ConnectedDigits(SpeechSettings, DrawnAudio, HoldOutVal):
    """root: the folder of `DIGIT_SPEAKER_INDEX.wav`, or the one around it.

    train_size, val_size, test_size: sequences in each split. min_digits, max_digits: digits of a sequence.
    mixed_speakers: true draws the speaker of each digit, false that of the whole sequence. val_fraction: of the
    recordings that are not test, those for validation. data_seed: which sequences are drawn; number 17 of a split is
    the same whatever its size.
    """

    task = "recognition"

    root: str | None
    min_digits: int
    max_digits: int
    mixed_speakers: bool

    def check(self) -> None:
        super().check()
        if not 1 <= self.min_digits <= self.max_digits:
            raise RequestError(
                f"dataset.min_digits={self.min_digits} and max_digits={self.max_digits}: give 1 or more, the first not"
                " larger."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        folder = fsdd_folder(self.root)
        found = AudioListing("connected_digits")
        digits, found.problems = list_digits(folder)
        digits = with_validation(official_test(digits), fraction=self.val_fraction, seed=self.split_seed)
        found.notes.append(f"connected_digits: drawn from the recordings in {folder} (data_seed {self.data_seed})")
        for split, randoms in self.draws().items():
            pool = self._pool(found, [digit for digit in digits if digit.split == split])
            if not pool:
                raise RequestError(f"{folder} has no recordings for {split}; test has those of index 0 to 4.")
            found.notes.append(f"{split}: made of {sum(map(len, pool.values())):,} recordings of digits")
            for row, random in enumerate(randoms):
                samples, text, speaker = self._sequence(pool, random)
                place = f"connected_digits:{split}:{row}"
                found.add(samples, text, split=split, speaker=speaker, source=place)
        return transcribed(found, self, on_bad=on_bad)

    def _pool(self, found: AudioListing, digits: Sequence[Digit]) -> _Pool:
        pool: dict[tuple[str, int], list[np.ndarray]] = {}
        for digit in digits:
            try:
                samples = read(digit.path, sample_rate=self.rate)
            except UnreadableAudio as error:
                found.problems.append(Problem(str(digit.path), str(error)))
                continue
            pool.setdefault((digit.speaker, digit.digit), []).append(samples)
        return pool

    def _sequence(self, pool: _Pool, random: np.random.Generator) -> tuple[np.ndarray, str, str]:
        """Samples (N,), transcript and speaker of one sequence."""
        speakers = sorted({speaker for speaker, _ in pool})
        count = int(random.integers(self.min_digits, self.max_digits + 1))
        chosen = random.integers(len(speakers), size=count if self.mixed_speakers else 1)
        said: list[int] = []
        pieces: list[np.ndarray] = []
        for i in range(count):
            speaker = speakers[chosen[i % len(chosen)]]
            there = [digit for digit in range(10) if (speaker, digit) in pool]
            digit = there[int(random.integers(len(there)))]
            recordings = pool[speaker, digit]
            said.append(digit)
            pieces.append(recordings[int(random.integers(len(recordings)))])
        samples = joined(pieces, sample_rate=self.rate, random=random)
        name = speakers[chosen[0]] if len(set(chosen.tolist())) == 1 else "mixed"
        return samples, " ".join(DIGITS[digit] for digit in said), name


def joined(pieces: Sequence[np.ndarray], *, sample_rate: int, random: np.random.Generator) -> np.ndarray:
    """(N,) float32 of 16-bit steps: pieces with random silences before, between and behind, in which is faint noise."""
    gaps = random.uniform(0, _SILENCE, size=len(pieces) + 1)
    gaps[[0, -1]] = random.uniform(*_EDGE, size=2)
    samples = (gaps * sample_rate).astype(np.int64)
    level = _NOISE * float(np.sqrt(np.mean(np.square(np.concatenate(pieces)))))
    noise = random.normal(0, level, size=int(samples.sum())).astype(np.float32)
    silences = np.split(noise, np.cumsum(samples)[:-1])
    parts = [silences[0]]
    for piece, silence in zip(pieces, silences[1:], strict=True):
        parts += [piece, silence]
    return quantize_int16(np.concatenate(parts))
