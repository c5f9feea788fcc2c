"""What data sets have in common whose recordings are put together here: rate, sizes, and steps of 16 bits."""

import numpy as np

from sensorium.errors import RequestError

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_STEPS = 32768  # samples are whole 16-bit numbers, as those of the recordings are


def given_rate(sample_rate: int | None) -> int:
    """The rate in hertz of recordings that are made: RequestError when it is left to the data."""
    if sample_rate is None:
        raise RequestError("dataset.sample_rate=null: sound that is made has no rate of its own. Give hertz: 8000.")
    return sample_rate


def stepped(samples: np.ndarray) -> np.ndarray:
    """float32 samples rounded to the steps of 16 bits, which take half the room."""
    steps = np.clip(np.rint(samples * _STEPS), -_STEPS, _STEPS - 1)
    return (steps / _STEPS).astype(np.float32)


def part_sizes(train_size: int, val_size: int, test_size: int) -> dict[str, int]:
    """By part. Raises RequestError for an empty one."""
    sizes = {"train": train_size, "val": val_size, "test": test_size}
    if min(sizes.values()) < 1:
        given = ", ".join(f"{part}_size={size}" for part, size in sizes.items())
        raise RequestError(f"dataset.{given}: give at least 1 each.")
    return sizes


def set_in_noise(
    samples: np.ndarray, *, before: int, behind: int, level: float, random: np.random.Generator
) -> np.ndarray:
    """(N,) float32: silence of so many samples before and behind, and white noise of this level over everything."""
    placed = np.pad(samples, (before, behind))
    return stepped(placed + random.normal(0, level, size=len(placed)).astype(np.float32))
