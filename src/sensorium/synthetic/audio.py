"""Helpers for synthetic recordings: noise, and samples of 16 bits."""

import numpy as np

_STEPS = 32768  # samples are whole 16-bit numbers, as those of the recordings are


def quantize_int16(samples: np.ndarray) -> np.ndarray:
    """float32 samples rounded to the steps of 16 bits, which take half the room."""
    steps = np.clip(np.rint(samples * _STEPS), -_STEPS, _STEPS - 1)
    return (steps / _STEPS).astype(np.float32)


def add_noise(
    samples: np.ndarray, *, before: int, behind: int, level: float, random: np.random.Generator
) -> np.ndarray:
    """(N,) float32: silence of so many samples before and behind, and white noise of this level over everything."""
    placed = np.pad(samples, (before, behind))
    return quantize_int16(placed + random.normal(0, level, size=len(placed)).astype(np.float32))
