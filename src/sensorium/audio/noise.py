"""Noise to draw segments from: white, pink, or recorded."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sensorium.audio.read import UnreadableAudio, list_sounds, read
from sensorium.errors import RequestError, unknown
from sensorium.randomness import generator

COLOURS = ("pink", "white")
_SAMPLES = 1 << 20  # of generated noise: two minutes at 8,000 Hz
_SEED = 20190601  # the noise itself is always the same; where a piece begins is drawn


def generated(colour: str) -> Tensor:
    """(N,) float32 noise of power 1 that loops: its end continues at its beginning.

    White noise is equally strong at all frequencies; pink noise has as much power in each octave, like most noise of
    rooms and streets. Raises RequestError for another color.
    """
    if colour not in COLOURS:
        raise unknown("noise", colour, COLOURS)
    noise = generator(_SEED).standard_normal(_SAMPLES)
    if colour == "pink":
        spectrum = np.fft.rfft(noise)
        spectrum[0] = 0
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        noise = np.fft.irfft(spectrum, _SAMPLES)
    return torch.from_numpy((noise / np.sqrt(np.mean(noise**2))).astype(np.float32))


def recorded(folder: Path, *, sample_rate: int) -> Tensor:
    """(N,) float32: all audio files of a folder, one after another, at sample_rate hertz.

    Raises RequestError for a folder without audio, or with a file that cannot be read.
    """
    pieces = []
    for path in list_sounds(folder):
        try:
            pieces.append(read(path, sample_rate=sample_rate))
        except UnreadableAudio as error:
            raise RequestError(f"{path}: {error}. Remove it from the noise folder.") from error
    if not sum(len(piece) for piece in pieces):
        raise RequestError(f"{folder} has no audio files. Give a folder of noise recordings.")
    return torch.from_numpy(np.concatenate(pieces))


def pieces_of(noise: Tensor, place: Tensor, samples: int) -> Tensor:
    """One piece of the noise (N,) for each row, from `place` (B,) in [0, 1) of it on: (B, samples)."""
    start = (place * len(noise)).long()
    row = torch.arange(samples, device=noise.device)
    return noise[(start[:, None] + row) % len(noise)]
