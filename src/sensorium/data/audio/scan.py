"""Every recording decoded once, in threads: its length, its digest, and its problems."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from sensorium.audio.features import Features
from sensorium.audio.quality import check, is_clipped
from sensorium.audio.read import Info, UnreadableAudio, probe, read
from sensorium.data.audio.listing import AudioListing, Recording
from sensorium.data.audio.store import packed, padded
from sensorium.data.prefetch import in_chunks

_DIGEST_BYTES = 16
_CHUNK = 8  # recordings a thread takes at a time
_THREADS = 8  # at most; each may hold a chunk of long recordings
_ROUNDED = 0.1  # seconds a piece may end behind its file: times in manifests are rounded


@dataclass(frozen=True)
class Facts:
    """What is known of N recordings.

    samples: (N,) int64, at the dataset's rate. rates: (N,) int64 hertz of each file, 0 for samples in memory. digests:
    (N, 16) uint8 of the samples. wrong: row -> what makes it unusable; such a one has no meaningful digest. clipped:
    (N,) bool.
    """

    samples: np.ndarray
    rates: np.ndarray
    digests: np.ndarray
    wrong: dict[int, str]
    clipped: np.ndarray


class _One(NamedTuple):
    """A recording as it came in. wrong: "" for a usable one. samples: (N,) float32; empty for an unusable one."""

    rate: int
    wrong: str
    samples: np.ndarray
    clipped: bool = False


class Decoder:
    """The recordings of a list at one rate.

    sample_rate: hertz. max_seconds: longer ones are not decoded; None for no limit.
    """

    def __init__(self, found: AudioListing, *, sample_rate: int, max_seconds: float | None) -> None:
        self._found, self._recordings, self._in_memory = found, found.recordings, found.samples
        self.window = found.window
        self.sample_rate, self.max_seconds = sample_rate, max_seconds

    def __len__(self) -> int:
        return len(self._recordings)

    def samples(self, row: int) -> np.ndarray:
        """(N,) float32. Raises UnreadableAudio."""
        recording = self._recordings[row]
        if isinstance(recording.audio, int):
            return self._in_memory.at(recording.audio)
        return read(self._found.content(row), sample_rate=self.sample_rate, start=recording.start, end=recording.end)

    def _one(self, row: int) -> _One:
        recording, rate = self._recordings[row], 0
        try:
            if isinstance(recording.audio, int):
                info = Info(self.sample_rate, int(self._in_memory.lengths[recording.audio]), 1)
            else:
                info = probe(self._found.content(row))
                rate = info.sample_rate
            wrong = _wrong_length(recording, info, self.max_seconds)
            if wrong:
                return _One(rate, wrong, _NOTHING)
            samples = self.samples(row)
        except UnreadableAudio as error:
            return _One(rate, str(error) or "cannot be read", _NOTHING)
        said = check(samples, sample_rate=self.sample_rate) or ""
        clipped = is_clipped(said)
        return _One(rate, "" if clipped else said, _NOTHING if said and not clipped else samples, clipped)

    def scan(self, keep: Callable[[np.ndarray], None] | None = None, *, features: Features | None = None) -> Facts:
        """Decodes everything.

        keep: gets, row by row, `packed` samples, or (T, F) float32 features before normalization where `features` is
        given; something empty for an unusable recording.
        """
        count = len(self)
        samples, rates = np.zeros(count, np.int64), np.zeros(count, np.int64)
        digests, clipped = np.zeros((count, _DIGEST_BYTES), np.uint8), np.zeros(count, bool)
        wrong: dict[int, str] = {}

        def work(rows: range) -> list[np.ndarray]:
            ones = [self._one(row) for row in rows]
            for row, one in zip(rows, ones, strict=True):
                samples[row], rates[row], clipped[row] = len(one.samples), one.rate, one.clipped
                digest = hashlib.blake2b(one.samples.tobytes(), digest_size=_DIGEST_BYTES).digest()
                digests[row] = np.frombuffer(digest, np.uint8)
                if one.wrong:
                    wrong[row] = one.wrong
            if keep is None:
                return []
            return extract(features, [one.samples for one in ones]) if features else [packed(o.samples) for o in ones]

        threads = min(_THREADS, os.cpu_count() or 1)
        for chunk in in_chunks(work, count, size=_CHUNK, threads=threads, what="recordings"):
            for values in chunk:
                keep(values)  # type: ignore[misc]
        return Facts(samples, rates, digests, dict(sorted(wrong.items())), clipped)


_NOTHING = np.empty(0, np.float32)


@torch.inference_mode()
def extract(features: Features, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """(T, F) float32 features of each of several recordings (N,), before normalization; (0, F) for an empty one."""
    rows = [row for row, samples in enumerate(arrays) if len(samples)]
    found = [np.empty((0, features.num_features), np.float32) for _ in arrays]
    if rows:
        signal, lengths = padded([arrays[row] for row in rows])
        values, frames = features.extract(torch.from_numpy(signal), torch.from_numpy(lengths))
        for row, of_row, count in zip(rows, values, frames.tolist(), strict=True):
            found[row] = of_row[:count].numpy()
    return found


def _wrong_length(recording: Recording, info: Info, max_seconds: float | None) -> str:
    """What is wrong with the times of a piece, or with how long it is; "" for nothing."""
    there = info.samples / info.sample_rate
    start, end = recording.start, there if recording.end is None else recording.end
    if start < 0 or (recording.end is not None and end <= start):
        return f"a segment from {start:g} s to {end:g} s is impossible"
    if start and start >= there:
        return f"begins at {start:g} s, but the file ends at {there:.2f} s"
    if end > there + _ROUNDED:
        return f"ends at {end:g} s, but the file ends at {there:.2f} s"
    seconds = min(end, there) - start
    if max_seconds is not None and seconds > max_seconds:
        return f"too long: {seconds:.2f} s; dataset.max_seconds is {max_seconds:g}"
    return ""
