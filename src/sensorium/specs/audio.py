"""Recordings: with a class each, or with transcripts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sensorium.specs.base import ClassesSpec, LogitsSpec

_FRAMES = 100  # frames of an example that a model is tried on, usually a second of audio


@dataclass(frozen=True, kw_only=True)
class AudioClassificationSpec(ClassesSpec, LogitsSpec):
    """Labelled recordings.

    features: arguments of `sensorium.audio.features.Features`, the sample rate among them.
    num_features: numbers of a frame.
    """

    task = "audio_classification"
    unit = "recording"
    inputs = ("features", "lengths")

    features: dict[str, Any]
    num_features: int

    @property
    def offers(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "num_classes": self.num_classes}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return _sound_settings(self.features)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)

    def example(self, length: int = _FRAMES) -> tuple[Tensor, ...]:
        """So many frames of silence."""
        return torch.zeros(1, length, self.num_features), torch.tensor([length])

    def example_size(self, length: int) -> str:
        return f"{length} frames"

    def __str__(self) -> str:
        return f"recordings at {self.features['sample_rate']:,} Hz, {self.num_classes} classes"


@dataclass(frozen=True, kw_only=True)
class SpeechRecognitionSpec(LogitsSpec):
    """Recordings with transcripts.

    features, num_features: as in an `AudioClassificationSpec`. tokenizer: `Tokenizer.to_dict()`; its padding is the
    blank of CTC. language_model: an n-gram model of the training transcripts in ARPA's format, or nothing.
    """

    task = "speech_recognition"
    unit = "recording"
    inputs = ("features", "lengths")

    features: dict[str, Any]
    num_features: int
    tokenizer: dict[str, Any]
    vocab_size: int
    language_model: str = ""

    @property
    def offers(self) -> dict[str, Any]:
        return {"num_features": self.num_features, "vocab_size": self.vocab_size}

    @property
    def dataset_settings(self) -> dict[str, Any]:
        return _sound_settings(self.features) | {"tokenizer": self.tokenizer}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the log-probabilities for `example`; how many frames they have is the model's choice."""
        return (1, -1, self.vocab_size)

    def example(self, length: int = _FRAMES) -> tuple[Tensor, ...]:
        """So many frames of silence."""
        return torch.zeros(1, length, self.num_features), torch.tensor([length])

    def example_size(self, length: int) -> str:
        return f"{length} frames"

    def __str__(self) -> str:
        return f"recordings at {self.features['sample_rate']:,} Hz with transcripts, vocabulary of {self.vocab_size:,}"


def _sound_settings(features: Mapping[str, Any]) -> dict[str, Any]:
    """What makes other recordings like these: the rate, and how features are taken."""
    how = {key: value for key, value in features.items() if key != "sample_rate"}
    return {"sample_rate": features["sample_rate"], "features": how}
