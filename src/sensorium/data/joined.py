"""Several parts of the data as one, to evaluate on all of it."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.base import ImageSplit, ImageStore


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


def joined(splits: Sequence[ImageSplit]) -> ImageSplit:
    """One split with the examples of all, in order."""
    return ImageSplit(
        images=JoinedStore([split.images for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        names=[str(name) for split in splits for name in split.names],
    )
