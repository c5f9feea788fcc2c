"""Images of one size, read by row number."""

from typing import Any

import numpy as np

from sensorium.data.rows import Source
from sensorium.data.vision.image_settings import Channels
from sensorium.randomness import generator
from sensorium.specs import Resize
from sensorium.vision.decode import fit_pixels

_STATISTICS_SAMPLE = 10_000
_STATISTICS_CHUNK = 64


class ArrayStore(Source):
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


def image_fields(train: Source, *, resize: Resize) -> dict[str, Any]:
    """What a spec says of the images, from those of train."""
    mean, std = channel_statistics(train)
    channels, height, width = train.shape
    return {"in_channels": channels, "image_size": (height, width), "mean": mean, "std": std, "resize": resize}


def channel_statistics(store: Source) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, of values scaled to [0, 1], from at most 10,000 images.

    A channel that never changes has a deviation of 1, so that it can be divided by.
    """
    rows = np.arange(len(store))
    if len(rows) > _STATISTICS_SAMPLE:
        rows = np.sort(generator(len(rows)).choice(rows, _STATISTICS_SAMPLE, replace=False))
    # Whole numbers add up exactly, in any order: a histogram of the values is all that is needed.
    levels, counts = 0, np.zeros(0)
    for start in range(0, len(rows), _STATISTICS_CHUNK):
        images = store.read(rows[start : start + _STATISTICS_CHUNK])
        if not levels:
            levels = int(np.iinfo(images.dtype).max) + 1
            counts = np.zeros((len(images[0]), levels))
        for channel in range(len(counts)):
            counts[channel] += np.bincount(images[:, channel].ravel(), minlength=levels)
    share = counts / counts.sum(axis=1, keepdims=True)
    values = np.arange(levels) / (levels - 1)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())
