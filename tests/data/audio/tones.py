"""Small recordings for tests: tones of 16 bits, and data made of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sensorium.data.audio import recordings
from sensorium.data.audio.audio_settings import AudioSettings, SpeechSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.base import Data, OnBad
from sensorium.data.settings import HoldOut

RATE = 8000
FEATURES = {"kind": "log_mel", "num_mels": 8, "window": 0.025, "hop": 0.010, "normalise": "utterance"}
SOUND = {
    "sample_rate": None,
    "features": FEATURES,
    "cache": "samples",
    "min_seconds": 0.05,
    "max_seconds": 2.0,
    "val_fraction": 0.25,
    "test_fraction": 0.25,
    "split_seed": 0,
}
HELD_OUT = ("val_fraction", "test_fraction", "split_seed")
SPEECH = SOUND | {"tokenizer": "char", "vocab_size": 100, "min_count": 1, "lowercase": True, "language_model": 0}


@dataclass(frozen=True, kw_only=True)
class LabeledSettings(AudioSettings, HoldOut):
    """Of recordings with a class."""


@dataclass(frozen=True, kw_only=True)
class TranscribedSettings(SpeechSettings, HoldOut):
    """Of recordings with a transcript."""


def labeled(found: AudioListing, on_bad: OnBad = "fail", *, class_names: Any = None, **settings: Any) -> Data:
    """Data for audio classification."""
    kind = LabeledSettings
    if settings.get("val_fraction", 0) is None:  # of a source that has all splits
        kind, settings = AudioSettings, {key: settings[key] for key in settings if key not in HELD_OUT}
    return recordings.audio_classes(found, kind(**settings), on_bad=on_bad, class_names=class_names)


def transcribed(found: AudioListing, on_bad: OnBad = "fail", **settings: Any) -> Data:
    """Data for speech recognition."""
    kind = TranscribedSettings
    if settings.get("val_fraction", 0) is None:
        kind, settings = SpeechSettings, {key: settings[key] for key in settings if key not in HELD_OUT}
    return recordings.transcribed(found, kind(**settings), on_bad=on_bad)


def tone(hertz: float, seconds: float = 0.2, *, rate: int = RATE) -> np.ndarray:
    """(N,) float32 whose values are all of 16 bits."""
    time = np.arange(round(seconds * rate)) / rate
    return (np.round(16000 * np.sin(2 * np.pi * hertz * time)) / 32768).astype(np.float32)


def write(path: Path, samples: np.ndarray, *, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """A sound file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path
