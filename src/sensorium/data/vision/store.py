"""Images of one size, read by row number."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from sensorium.data.vision.image_settings import Channels
from sensorium.randomness import generator
from sensorium.specs import Resize
from sensorium.vision.decode import fit_pixels
from sensorium.vision.depth import eight_bits

_STATISTICS_SAMPLE = 10_000
_STATISTICS_CHUNK = 64


class ImageStore(ABC):
    """N images of one shape, read by row number. Several threads may read at once. shape: (C, H, W) of each image.
    dtype: uint8, or uint16 for images of more than 8 bits, scaled to 0..65535.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype = np.dtype(np.uint8)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, rows: np.ndarray) -> np.ndarray:
        """The images at these rows: (B,) int64 -> (B, C, H, W) of `dtype`, contiguous."""

    def displayed(self, rows: np.ndarray) -> np.ndarray:
        """The same as a person can see them: (B, C, H, W) uint8."""
        return eight_bits(self.read(rows))

    def subset(self, rows: np.ndarray) -> "ImageStore":
        """These rows alone, in this order."""
        return ImageRows(self, rows)

    def joined(self, others: Sequence["ImageStore"]) -> "ImageStore":
        """This one's images, then those of the others."""
        return JoinedStore([self, *others])


class ArrayStore(ImageStore):
    """Images in memory, brought to another size or number of channels, where asked, as they are read.

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
        for i, image in enumerate(pixels):
            fitted[i] = fit_pixels(image, image_size=(height, width), in_channels=channels, resize=self._resize)
        return fitted


class ImageRows(ImageStore):
    """Some rows of another store, in the order given. rows: (N,) int64."""

    def __init__(self, store: ImageStore, rows: np.ndarray) -> None:
        self._store, self._rows = store, rows
        self.shape, self.dtype = store.shape, store.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, rows: np.ndarray) -> np.ndarray:
        return self._store.read(self._rows[rows])


class JoinedStore(ImageStore):
    """The images of several stores, one store after the other."""

    def __init__(self, stores: Sequence[ImageStore]) -> None:
        self._stores = stores
        self._starts = np.cumsum([0, *(len(store) for store in stores)])
        self.shape, self.dtype = stores[0].shape, stores[0].dtype

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, rows: np.ndarray) -> np.ndarray:
        images = np.empty((len(rows), *self.shape), self.dtype)
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(owners):
            here = owners == number
            images[here] = self._stores[number].read(rows[here] - self._starts[number])
        return images


def channel_statistics(store: ImageStore) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of values scaled to [0, 1], from at most 10,000 images.

    A channel that never changes has a deviation of 1, so that it can be divided by.
    """
    rows = np.arange(len(store))
    if len(rows) > _STATISTICS_SAMPLE:
        rows = np.sort(generator(len(rows)).choice(rows, _STATISTICS_SAMPLE, replace=False))
    # Whole numbers add up exactly, in any order: a histogram of the values is all that is needed.
    levels = np.iinfo(store.dtype).max + 1
    counts = np.zeros((store.shape[0], levels))
    for start in range(0, len(rows), _STATISTICS_CHUNK):
        images = store.read(rows[start : start + _STATISTICS_CHUNK])
        for channel in range(len(counts)):
            counts[channel] += np.bincount(images[:, channel].ravel(), minlength=levels)
    share = counts / counts.sum(axis=1, keepdims=True)
    values = np.arange(levels) / (levels - 1)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())
