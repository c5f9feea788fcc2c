"""The words every dataset shares: where pictures are read from, what a part of the data is, what was wrong with it.

A dataset is a class with keyword-only arguments, an attribute `task`, and one method:

    load(*, on_bad: "fail" | "skip") -> ImageData
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from sensorium.errors import RequestError, unknown
from sensorium.randomness import generator
from sensorium.specs import ImageSpec, Resize
from sensorium.vision.decode import fit_pixels

OnBad = Literal["fail", "skip"]
Channels = Literal["auto", 1, 3]

_STATISTICS_SAMPLE = 10_000
_STATISTICS_CHUNK = 64


class ImageStore(Protocol):
    """N pictures of one shape, read by row number. Several threads may read at once."""

    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of each picture."""

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The pictures at these rows: (B,) int64 -> (B, C, H, W) uint8, contiguous."""


class ArrayStore:
    """Pictures in memory, brought to another size or number of channels, where asked, as they are read.

    pixels: (N, C, H, W) uint8. image_size: (height, width), or None for the size they have. channels: "auto" for the
    number they have.
    """

    def __init__(
        self, pixels: np.ndarray, *, image_size: tuple[int, int] | None, channels: Channels, resize: Resize
    ) -> None:
        self._pixels, self._resize = pixels, resize
        count = pixels.shape[1] if channels == "auto" else channels
        height, width = image_size or pixels.shape[2:]
        self.shape = (count, height, width)

    def __len__(self) -> int:
        return len(self._pixels)

    def read(self, rows: np.ndarray) -> np.ndarray:
        pixels = self._pixels.take(rows, axis=0)
        if pixels.shape[1:] == self.shape:
            return pixels
        channels, height, width = self.shape
        fitted = np.empty((len(rows), *self.shape), dtype=np.uint8)
        for i, picture in enumerate(pixels):
            fitted[i] = fit_pixels(picture, image_size=(height, width), in_channels=channels, resize=self._resize)
        return fitted


class Subset:
    """Some rows of another store, in the order given. rows: (N,) int64."""

    def __init__(self, store: ImageStore, rows: np.ndarray) -> None:
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._store.shape

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self._store.read(self._rows[rows])


@dataclass(frozen=True)
class ImageSplit:
    """One part of the data. labels: (N,) int64. names: a file's path, or "digits[17]"."""

    images: ImageStore
    labels: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Problem:
    """Something wrong with the data. place: a file, a folder, or file:line."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class ImageData:
    """A dataset, ready: three parts without a common picture.

    problems: what was left out, with on_bad=skip. notes: lines worth telling, such as how a part was held out.
    """

    spec: ImageSpec
    train: ImageSplit
    val: ImageSplit
    test: ImageSplit
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def refuse(problems: Sequence[Problem], *, on_bad: OnBad) -> None:
    """With on_bad="fail", a RequestError with the count and the first ten problems, alike ones in one line."""
    if on_bad not in ("fail", "skip"):
        raise unknown("on_bad", str(on_bad), ("fail", "skip"))
    if on_bad == "skip" or not problems:
        return
    alike: dict[str, list[str]] = {}
    for problem in problems[:10]:
        alike.setdefault(problem.what, []).append(problem.place)
    first = "\n".join(f"  {', '.join(places)}: {what}" for what, places in alike.items())
    more = f" ... and {len(problems) - 10} more" if len(problems) > 10 else ""
    count = counted(len(problems), "problem")
    raise RequestError(f"The data has {count}; on_bad=skip leaves out what is bad and lists it:\n{first}{more}")


def counted(number: int, word: str) -> str:
    """ "1 picture", "2,000 pictures"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def parse_size(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    """dataset.image_size, the side of a square or [height, width], as (height, width); None stays None."""
    if value is None:
        return None
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise RequestError(f"dataset.image_size={value}: give a side in pixels such as 32, or [height,width], or null.")
    return pair


def check_settings(*, resize: str, channels: object, **fractions: float) -> None:
    """A RequestError that names the first setting which cannot be, and what can."""
    if resize not in get_args(Resize):
        raise unknown("resize", resize, get_args(Resize))
    if channels not in ("auto", 1, 3):
        raise unknown("number of channels", str(channels), ("auto", "1", "3"))
    for key, value in fractions.items():
        if not 0 < value < 1:
            raise RequestError(
                f"dataset.{key}={value} leaves a part empty; give a number between 0 and 1, such as 0.1."
            )


def channel_statistics(store: ImageStore) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of values scaled to [0, 1], from at most 10,000 pictures.

    A channel that never changes has a deviation of 1, so that it can be divided by.
    """
    rows = np.arange(len(store))
    if len(rows) > _STATISTICS_SAMPLE:
        rows = np.sort(generator(len(rows)).choice(rows, _STATISTICS_SAMPLE, replace=False))
    # Whole numbers add up exactly, in any order: a histogram of the 256 values is all that is needed.
    counts = np.zeros((store.shape[0], 256))
    for start in range(0, len(rows), _STATISTICS_CHUNK):
        pictures = store.read(rows[start : start + _STATISTICS_CHUNK])
        for channel in range(len(counts)):
            counts[channel] += np.bincount(pictures[:, channel].ravel(), minlength=256)
    share = counts / counts.sum(axis=1, keepdims=True)
    values = np.arange(256) / 255
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())
