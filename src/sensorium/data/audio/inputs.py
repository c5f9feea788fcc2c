"""Recordings decoded, inspected, and read by row number."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from sensorium.audio.features import Features
from sensorium.audio.read import UnreadableAudio, probe
from sensorium.data.audio.audio_settings import AudioSettings
from sensorium.data.audio.cache import decode_all
from sensorium.data.audio.listing import AudioListing
from sensorium.data.base import counted, first_problem
from sensorium.data.pipeline import Rows
from sensorium.data.strings import Picked
from sensorium.errors import RequestError, listing

_LOOKED_AT = 64  # files that are tried for their rate


class AudioInputs:
    """Recordings at one rate. features: of the spec. frames: (N,) int64 of each recording."""

    shared = "audio"

    def __init__(self, found: AudioListing, settings: AudioSettings) -> None:
        found.need()
        self._found = found
        self.notes: list[str] = []
        rate = self._rate(settings)
        self.features = {"sample_rate": rate, **{str(key): value for key, value in settings.features.items()}}
        extractor = Features(**self.features)
        self._num_features = extractor.num_features
        self._decoded = decode_all(
            found, features=self.features, cache=settings.cache, max_seconds=settings.max_seconds
        )
        facts = self._decoded.facts
        self.digests = self.keys = facts.digests
        self.frames = np.asarray(extractor.frames(torch.from_numpy(facts.samples)), dtype=np.int64)
        self.seconds = facts.samples / rate
        self.unusable = dict(facts.wrong)
        if settings.min_seconds is not None:
            for row in np.flatnonzero(self.seconds < settings.min_seconds).tolist():
                short = f"too short: {self.seconds[row]:.3f} s; dataset.min_seconds is {settings.min_seconds:g}"
                self.unusable.setdefault(row, short)

    def _rate(self, settings: AudioSettings) -> int:
        if settings.sample_rate is not None:
            return settings.sample_rate
        training = self._found.rows("train").tolist()
        if not training:
            raise RequestError(
                f"{self._found.source} has no recordings to train on.{first_problem(self._found.problems)}"
            )
        last = ""
        for row in training[:_LOOKED_AT]:
            if isinstance(self._found.recordings[row].audio, int):
                raise RequestError(
                    "dataset.sample_rate=null: samples in memory have no stated sample rate. Give hertz."
                )
            try:
                rate = probe(self._found.content(row)).sample_rate
            except UnreadableAudio as error:
                last = f"{self._found.file_name(row)}: {error}"
                continue
            self.notes.append(f"sample_rate: {rate:,} Hz, that of {self._found.file_name(row)}")
            return rate
        looked_at = min(len(training), _LOOKED_AT)
        raise RequestError(f"None of the {looked_at} training files looked at can be read. The last one:\n{last}")

    def fit(self, rows: Rows) -> dict[int, str]:
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        chosen = [self._found.recordings[row] for row in rows.tolist()]
        return {
            "audio": self._decoded.source.subset(rows),
            "frames": self.frames[rows],
            "durations": self.seconds[rows],
            "names": Picked(self._found.names, rows),
            "paths": ["" if isinstance(recording.audio, int) else recording.audio for recording in chosen],
            "speakers": [recording.speaker for recording in chosen],
        }

    def spec(self) -> dict[str, Any]:
        return {"features": self.features, "num_features": self._num_features}

    def notes_on(self, rows: Rows) -> list[str]:
        used = np.sort(np.concatenate(list(rows.values())))
        return [*self._recording_notes(used), *self._split_notes(rows)]

    def _recording_notes(self, rows: np.ndarray) -> Iterator[str]:
        """Clipped recordings, and those of another rate."""
        facts, sample_rate = self._decoded.facts, int(self.features["sample_rate"])
        clipped = rows[facts.clipped[rows]]
        if len(clipped):
            first = self._found.names[int(clipped[0])]
            yield f"clipped: {counted(len(clipped), 'recording')}, such as {first}; used as they are"
        rates = facts.rates[rows]
        other = Counter(rates[(rates != 0) & (rates != sample_rate)].tolist())
        if other:
            what = listing(f"{counted(count, 'recording')} of {rate:,} Hz" for rate, count in other.most_common())
            yield f"resampled to {sample_rate:,} Hz: {what}"

    def _split_notes(self, splits: Rows) -> Iterator[str]:
        """How much audio of how many speakers each split has, and whether splits share speakers."""
        speakers = {
            split: {self._found.recordings[row].speaker for row in rows.tolist()} - {""}
            for split, rows in splits.items()
        }
        for split, rows in splits.items():
            of = f", {counted(len(speakers[split]), 'speaker')}" if speakers[split] else ""
            yield f"{split}: {counted(len(rows), 'recording')}, {_duration(float(self.seconds[rows].sum()))}{of}"
        for split in ("val", "test"):
            if shared := speakers[split] & speakers["train"]:
                yield (
                    f"{split}: {len(shared)} of {counted(len(speakers[split]), 'speaker')} also in train; results are"
                    " not speaker-independent"
                )


def _duration(seconds: float) -> str:
    """ "45 s", "12.3 minutes", "3.1 hours"."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
