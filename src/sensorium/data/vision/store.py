"""Pictures of one size, read by row number, and a part of the data made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
import torch

from sensorium.batches import ImageBatch
from sensorium.data.base import check_fractions
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.errors import RequestError, unknown
from sensorium.randomness import generator
from sensorium.specs import Resize
from sensorium.vision.decode import fit_pixels

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


class JoinedStore:
    """The pictures of several stores, one store after the other."""

    def __init__(self, stores: Sequence[ImageStore]) -> None:
        self._stores = stores
        self._starts = np.cumsum([0, *(len(store) for store in stores)])
        self.shape = stores[0].shape

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, rows: np.ndarray) -> np.ndarray:
        pictures = np.empty((len(rows), *self.shape), np.uint8)
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(owners):
            here = owners == number
            pictures[here] = self._stores[number].read(rows[here] - self._starts[number])
        return pictures


@dataclass(frozen=True)
class ImageSplit:
    """One part of the data. labels: (N,) int64. names: a file's path, or "digits[17]"."""

    images: ImageStore
    labels: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, rows: np.ndarray) -> ImageBatch:
        """The batch of these rows; images (B, C, H, W) uint8."""
        images = torch.from_numpy(self.images.read(rows))
        return ImageBatch(images, torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)

    def subset(self, rows: np.ndarray) -> "ImageSplit":
        return ImageSplit(Subset(self.images, rows), self.labels[rows], [self.names[row] for row in rows])

    def joined(self, others: Sequence["ImageSplit"]) -> "ImageSplit":
        splits = (self, *others)
        return ImageSplit(
            images=JoinedStore([split.images for split in splits]),
            labels=np.concatenate([split.labels for split in splits]),
            names=[str(name) for split in splits for name in split.names],
        )


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
    check_fractions(**fractions)


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
