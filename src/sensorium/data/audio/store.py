"""Recordings by row number: samples or features, in one flat array."""

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.data.cache import Cache
from sensorium.data.rows import Ragged

AUDIO = Cache("sounds", content="audio", instead="dataset.cache=none to read the files at each batch")
_STEPS = 32768  # of a 16-bit sample, on either side of 0
_ALIGNED = 4  # bytes; where a recording may begin


class Flat(Ragged):
    """Recordings in one flat array: float32 samples (N,) from -1 to 1, or float32 features (T, F).

    data: uint8. starts: (N,) int64, where in it each begins. lengths: (N,) int64 samples or frames. wide: (N,) bool,
    kept as float32 numbers; else as 16-bit samples. width: F, or 0 for samples.
    """

    def __init__(
        self, data: np.ndarray, *, starts: np.ndarray, lengths: np.ndarray, wide: np.ndarray, width: int
    ) -> None:
        self.data, self.starts, self.lengths, self.wide = data, starts, lengths, wide
        self.shape = (width,) if width else ()

    def __len__(self) -> int:
        return len(self.starts)

    def at(self, row: int) -> np.ndarray:
        start, wide = int(self.starts[row]), bool(self.wide[row])
        numbers = int(self.lengths[row]) * math.prod(self.shape)
        raw = self.data[start : start + numbers * (4 if wide else 2)]
        if wide:
            return raw.view(np.float32).reshape(-1, *self.shape)
        return raw.view(np.int16) * np.float32(1 / _STEPS)


def padded(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """B samples (N,) or features (T, F) as one float32 array with zeros past the end, and their (B,) lengths."""
    lengths = np.array([len(values) for values in arrays], dtype=np.int64)
    filled = np.zeros((len(arrays), int(lengths.max()), *arrays[0].shape[1:]), dtype=np.float32)
    for i, values in enumerate(arrays):
        filled[i, : len(values)] = values
    return filled, lengths


def packed(samples: np.ndarray) -> np.ndarray:
    """Samples as they are kept: 16-bit whole numbers where these say all there is to say, else float32.

    So a file of 16 bits takes half the room, and what was resampled, mixed down, or had more bits loses nothing.
    """
    steps = samples * np.float32(_STEPS)
    with np.errstate(invalid="ignore"):
        whole = steps.astype(np.int16)
    return whole if np.array_equal(whole, steps) else samples.astype(np.float32, copy=False)


class FlatWriter:
    """Puts recordings one after another. write: takes their bytes."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write, self._size = write, 0
        self._starts, self._lengths, self._wide = array("q"), array("q"), array("b")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, values: np.ndarray) -> None:
        """The next recording: `packed` samples, or features (T, F) float32."""
        self._starts.append(self._size)
        self._lengths.append(len(values))
        self._wide.append(values.dtype == np.float32)
        data = values.tobytes() + bytes(-values.nbytes % _ALIGNED)
        self._write(data)
        self._size += len(data)

    def where(self) -> dict[str, np.ndarray]:
        """starts, lengths, wide, as `Flat` has them."""
        return {
            "starts": np.array(self._starts, dtype=np.int64),
            "lengths": np.array(self._lengths, dtype=np.int64),
            "wide": np.array(self._wide, dtype=bool),
        }
