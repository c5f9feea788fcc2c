"""What data sets of recordings have in common: the rate, decoding, the checks, the three parts."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch

from sensorium.audio.features import Features
from sensorium.audio.read import UnreadableAudio, probe
from sensorium.data.audio.cache import Heard, hear
from sensorium.data.audio.checks import find_copies, find_unusable, part_notes, parts_of, sound_notes
from sensorium.data.audio.listed import Recordings
from sensorium.data.audio.store import SoundStore
from sensorium.data.base import OnBad, Problem, check_fractions, counted, first_problem, refuse
from sensorium.data.duplicates import PARTS, without
from sensorium.data.splits import hold_out
from sensorium.errors import RequestError, unknown

Cache = Literal["samples", "features", "none"]
_LOOKED_AT = 64  # files that are tried for their rate


@dataclass(frozen=True)
class Listened:
    """Recordings decoded. features: of the spec. frames: (N,) of each recording. bad: row -> why it is left out."""

    recordings: Recordings
    heard: Heard
    features: dict[str, Any]
    num_features: int
    frames: np.ndarray
    bad: dict[int, str]
    notes: list[str]

    @property
    def rows(self) -> np.ndarray:
        """Those that can be used."""
        return without(np.arange(len(self.recordings)), self.bad)

    def refused(self, on_bad: OnBad) -> list[Problem]:
        """All problems; with on_bad="fail" a RequestError that names them."""
        listed = self.recordings.listed
        problems = self.recordings.problems + [listed[row].problem(what) for row, what in sorted(self.bad.items())]
        refuse(problems, on_bad=on_bad)
        return problems

    def fields(self, rows: np.ndarray) -> dict[str, Any]:
        """What a split of these rows has, be it of sounds or of speech."""
        chosen = [self.recordings.listed[row] for row in rows.tolist()]
        return {
            "sounds": SoundStore(self.heard.source, rows),
            "frames": self.frames[rows],
            "durations": self.heard.facts.samples[rows] / self.features["sample_rate"],
            "names": [recording.name for recording in chosen],
            "paths": ["" if isinstance(recording.sound, int) else recording.sound for recording in chosen],
            "speakers": [recording.speaker for recording in chosen],
        }

    def notes_on(self, parts: Mapping[str, np.ndarray]) -> list[str]:
        """What is worth telling of the recordings, and of the parts made of them."""
        listed, facts, rate = self.recordings.listed, self.heard.facts, int(self.features["sample_rate"])
        used = np.sort(np.concatenate(list(parts.values())))
        return [
            *sound_notes(listed, facts, used, sample_rate=rate),
            *part_notes(parts, facts.samples / rate, [recording.speaker for recording in listed]),
        ]


class RecordingSettings:
    """What both kinds of data have in common.

    sample_rate: hertz everything is brought to; None for that of the first training file. features: arguments of
    `Features`, without the rate. cache: "samples" keeps everything decoded, "features" keeps the features (augmentation
    of samples is then not possible), "none" reads the files at each batch. min_seconds, max_seconds: what is shorter or
    longer is a problem; None for no limit. val_fraction, test_fraction: None where the source always has the part.
    """

    def __init__(
        self,
        *,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Cache,
        min_seconds: float | None,
        max_seconds: float | None,
        val_fraction: float | None = None,
        test_fraction: float | None = None,
        split_seed: int = 0,
    ) -> None:
        shares = {"test": test_fraction, "val": val_fraction}
        self._fractions = {part: share for part, share in shares.items() if share is not None}
        check_fractions(**{f"{part}_fraction": share for part, share in self._fractions.items()})
        self._split_seed = split_seed
        if sample_rate is not None and (type(sample_rate) is not int or sample_rate <= 0):
            raise RequestError(f"dataset.sample_rate={sample_rate}: give hertz such as 16000, or null.")
        if cache not in get_args(Cache):
            raise unknown("cache", str(cache), get_args(Cache))
        _check_seconds(min_seconds, max_seconds)
        self._sample_rate, self._cache = sample_rate, cache
        self._min_seconds, self._max_seconds = min_seconds, max_seconds
        self._features = {str(key): value for key, value in features.items()}
        allowed = [name for name in inspect.signature(Features).parameters if name not in ("self", "sample_rate")]
        for key in self._features:
            if key not in allowed:
                raise unknown("key in dataset.features", key, allowed)

    def listen(self, recordings: Recordings, on_bad: OnBad, *, text: str) -> Listened:
        """Everything decoded and looked at. text: what each recording must have, "label" or "transcript"."""
        refuse([], on_bad=on_bad)
        listed = recordings.listed
        if not listed:
            raise RequestError(f"{recordings.source} has no recordings.{first_problem(recordings.problems)}")
        rate, notes = self._rate(recordings)
        how = {"sample_rate": rate, **self._features}
        extractor = Features(**how)
        heard = hear(recordings, features=how, cache=self._cache, max_seconds=self._max_seconds)
        bad = find_unusable(listed, heard.facts, text=text, sample_rate=rate, min_seconds=self._min_seconds)
        rows = without(np.arange(len(listed)), bad)
        repeated, more_notes = find_copies(listed, heard.facts.digests, rows)
        frames = np.asarray(extractor.frames(torch.from_numpy(heard.facts.samples)), dtype=np.int64)
        notes = [*recordings.notes, *notes, *more_notes]
        return Listened(recordings, heard, how, extractor.num_features, frames, bad | repeated, notes)

    def divide(
        self, listened: Listened, labels: np.ndarray, class_names: Sequence[str]
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The rows of each part, and notes on what was held out of train by class.

        labels: (N,) int64 for every recording, of usable ones of train.
        """
        recordings, rows = listened.recordings, listened.rows
        part_of = parts_of(recordings.listed)[rows]
        parts = {part: rows[part_of == number] for number, part in enumerate(PARTS)}
        for part in recordings.given:
            if not len(parts[part]):
                raise RequestError(f"{recordings.source} has no usable recordings left in {part}.")
        missing = [part for part in PARTS if part not in recordings.given]
        fractions = {part: share for part, share in self._fractions.items() if part in missing}
        if len(fractions) < len(missing):
            raise RequestError(f"{recordings.source} has no recordings for {' and '.join(missing)}.")
        if not missing:
            return parts, []
        train = parts["train"]
        held_out = hold_out(
            labels=labels[train],
            keys=[listened.heard.facts.digests[row].tobytes().hex() for row in train.tolist()],
            fractions=fractions,
            seed=self._split_seed,
            class_names=class_names,
        )
        by = " by class" if len(class_names) > 1 else ""
        notes = [
            f"{part}: {counted(len(chosen), 'recording')} held out of train{by} (split_seed {self._split_seed})"
            for part, chosen in held_out.items()
            if part != "train"
        ]
        return parts | {part: train[chosen] for part, chosen in held_out.items()}, notes

    def _rate(self, recordings: Recordings) -> tuple[int, list[str]]:
        if self._sample_rate is not None:
            return self._sample_rate, []
        training = [recording for recording in recordings.listed if recording.part == "train"]
        if not training:
            raise RequestError(
                f"{recordings.source} has no recordings to train on.{first_problem(recordings.problems)}"
            )
        last = ""
        for recording in training[:_LOOKED_AT]:
            if isinstance(recording.sound, int):
                raise RequestError("dataset.sample_rate=null: samples that are in no file do not say it. Give hertz.")
            try:
                rate = probe(recording.sound).sample_rate
            except UnreadableAudio as error:
                last = f"{recording.sound}: {error}"
                continue
            return rate, [f"sample_rate: {rate:,} Hz, that of {recording.sound}"]
        looked_at = min(len(training), _LOOKED_AT)
        raise RequestError(f"None of the {looked_at} training files looked at can be read. The last one:\n{last}")


def _check_seconds(least: object, most: object) -> None:
    for key, value in (("min_seconds", least), ("max_seconds", most)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
            raise RequestError(f"dataset.{key}={value}: give seconds such as 0.5, or null for no limit.")
    if least is not None and most is not None and least >= most:  # type: ignore[operator]
        raise RequestError(f"dataset.min_seconds={least} is not below dataset.max_seconds={most}.")
