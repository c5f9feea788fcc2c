"""Splits of a data set of recordings: with a label, or with a transcript."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from sensorium.batches import AudioBatch, SpeechBatch
from sensorium.data.attributes import Attribute, of_classes
from sensorium.data.audio.store import padded
from sensorium.data.columns import Columns
from sensorium.data.corrupted import Corruption, audio_corruptions
from sensorium.data.order import BatchPlan, LengthOrder
from sensorium.data.rows import Source
from sensorium.data.text.tokens import TokenStore
from sensorium.data.window_order import WindowOrder


@dataclass(frozen=True, kw_only=True)
class _Recorded(Columns):
    """What both kinds have in common.

    audio: samples, or features before normalization. frames: (N,) int64, those of its features. durations: (N,)
    float64 seconds. names: such as "a.wav[1.5-3]". paths: the files, "" for samples without one. speakers: "" where
    unknown.
    """

    audio: Source
    frames: np.ndarray
    durations: np.ndarray
    names: Sequence[str]
    paths: Sequence[str]
    speakers: Sequence[str]

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        known: dict[str, Callable[[], Attribute]] = {"length": lambda: Attribute(self.durations, unit="seconds")}
        if any(self.speakers):
            known["speaker"] = lambda: Attribute(np.array(list(self.speakers), dtype=np.str_))
        return known

    def corruptions(self, spec: Any) -> tuple[Corruption, ...]:
        """What can be done to its waveforms. spec: of the model."""
        return audio_corruptions(self.audio, spec.features, lambda audio: self._with({"audio": audio}))

    def order(self, plan: BatchPlan) -> LengthOrder | WindowOrder:
        """Recordings of about one length together; a limit of tokens counts frames."""
        window = self.audio.window
        if window is not None:
            return WindowOrder(window=window, lengths=self.frames, plan=plan)
        return LengthOrder(lengths=self.frames, plan=plan)

    def _signal(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        signal, lengths = padded(self.audio.read(rows))
        return torch.from_numpy(signal), torch.from_numpy(lengths)


@dataclass(frozen=True, kw_only=True)
class AudioSplit(_Recorded):
    """Labelled recordings. labels: (N,) int64."""

    labels: np.ndarray

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return super().attributes(class_names) | {"class": partial(of_classes, self.labels, class_names)}

    def read(self, rows: np.ndarray) -> AudioBatch:
        """The batch of these rows (B,); the signal (B, N) or (B, T, F)."""
        return AudioBatch(*self._signal(rows), torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))


@dataclass(frozen=True, kw_only=True)
class SpeechSplit(_Recorded):
    """Recordings with a transcript. targets: its tokens. texts: as a recognizer can write them, in lower case
    where the tokenizer puts them so."""

    targets: TokenStore
    texts: Sequence[str]

    def read(self, rows: np.ndarray) -> SpeechBatch:
        """The batch of these rows (B,); the signal (B, N) or (B, T, F), targets (B, U)."""
        targets, target_lengths = self.targets.gather(rows)
        tensors = (torch.from_numpy(array) for array in (targets, target_lengths, rows))
        return SpeechBatch(*self._signal(rows), *tensors)


def frames_needed(targets: TokenStore) -> np.ndarray:
    """(N,) int64: the fewest frames in which CTC can spell each, one a token and one between two that are alike."""
    alike = np.zeros(len(targets.flat) + 1, dtype=np.int64)
    alike[2:] = np.cumsum(targets.flat[1:] == targets.flat[:-1])  # of neighbors among the first so many tokens
    first = np.minimum(targets.starts + 1, len(targets.flat))
    # Of an empty transcript, the end lies before the first pair.
    pairs = np.maximum(alike[targets.starts + targets.lengths] - alike[first], 0)
    return targets.lengths + pairs


def too_short(split: SpeechSplit, output_lengths: Callable[[torch.Tensor], torch.Tensor]) -> dict[int, str]:
    """Rows whose frames, as a model subsamples them (`output_lengths`), cannot hold their transcript -> why."""
    frames = output_lengths(torch.from_numpy(split.frames)).numpy()
    needed = frames_needed(split.targets)
    return {
        row: f"the model sees {frames[row]:,} frames of it, and its transcript needs {needed[row]:,}"
        for row in np.flatnonzero(frames < needed).tolist()
    }
