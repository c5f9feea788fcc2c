"""Small sounds for tests: tones of 16 bits, and recordings made of them."""

from pathlib import Path

import numpy as np
import soundfile

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
SPEECH = SOUND | {"tokenizer": "char", "vocab_size": 100, "min_count": 1, "lowercase": True, "language_model": 0}


def tone(hertz: float, seconds: float = 0.2, *, rate: int = RATE) -> np.ndarray:
    """(N,) float32 whose values are all of 16 bits."""
    time = np.arange(round(seconds * rate)) / rate
    return (np.round(16000 * np.sin(2 * np.pi * hertz * time)) / 32768).astype(np.float32)


def write(path: Path, samples: np.ndarray, *, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    """A sound file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path
