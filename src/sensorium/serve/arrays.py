"""Pixels and samples that came as numbers: files of them without loss, so that all inputs are read the same way."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
from PIL import Image


@dataclass(frozen=True, eq=False)
class Pixels:
    """(H, W) or (H, W, C) uint8, C 1, 3 or 4, not empty."""

    array: np.ndarray

    def encoded(self) -> bytes:
        """As a PNG."""
        file = io.BytesIO()
        plane = self.array[..., 0] if self.array.ndim == 3 and self.array.shape[2] == 1 else self.array
        Image.fromarray(np.ascontiguousarray(plane)).save(file, format="png", compress_level=1)
        return file.getvalue()


@dataclass(frozen=True, eq=False)
class Waveform:
    """samples: (N,) float32. rate: hertz."""

    samples: np.ndarray
    rate: int

    def encoded(self) -> bytes:
        """As a WAV of floats."""
        file = io.BytesIO()
        soundfile.write(file, self.samples, self.rate, format="WAV", subtype="FLOAT")
        return file.getvalue()
