"""Splits of images with a class, tags or numbers each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium.batches import ImageBatch, ImageRegressionBatch, TagBatch
from sensorium.data.attributes import Attribute, of_classes
from sensorium.data.columns import Columns
from sensorium.data.corrupted import Corruption, image_corruptions
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.rows import Source
from sensorium.data.targets.numbers import standardized
from sensorium.data.window_order import WindowOrder
from sensorium.errors import RequestError
from sensorium.vision.decode import UnreadableImage, probe_size
from sensorium.vision.depth import eight_bits
from sensorium.vision.normalise import from_pixels


def square_sides(sizes: np.ndarray) -> Attribute:
    """sizes: (N, 2) height and width -> the square root of each area."""
    return Attribute(np.sqrt(sizes.astype(np.float64).prod(axis=1)), unit="pixels")


def file_sizes(names: Sequence[str]) -> np.ndarray:
    """(N, 2) int64 height and width as shown, of the heads of image files. Raises RequestError for what is no file."""
    found = np.empty((len(names), 2), dtype=np.int64)
    for row, name in enumerate(names):
        try:
            found[row] = probe_size(Path(name))
        except (OSError, UnreadableImage) as error:
            raise RequestError(
                f"size is unknown for {name}: sizes are read from image files. The images of this dataset are all"
                " of one size, or their files are gone."
            ) from error
    return found


class ImageColumns(Columns):
    """What all splits of images share. images: (N, C, H, W). names: of each."""

    images: Source
    names: Sequence[str]

    def order(self, plan: BatchPlan) -> BatchOrder:
        window = self.images.window
        if window is not None:
            return WindowOrder(window=window, lengths=None, plan=plan)
        return BatchOrder(num_examples=len(self), plan=plan)

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return {"size": self._sides}

    def corruptions(self, spec: Any) -> tuple[Corruption, ...]:
        """What can be done to its images. spec: of the model."""
        return image_corruptions(self.images, lambda images: self._with({"images": images}))

    def _sides(self) -> Attribute:
        """The side of a square as large as each image was before it was fitted."""
        return square_sides(file_sizes(self.names))

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of all of them."""
        _, height, width = self.images.shape
        return height, width

    def read_images(self, rows: np.ndarray) -> torch.Tensor:
        """Those of a batch: (B,) -> (B, C, H, W) as `from_pixels` gives them."""
        return from_pixels(self.images.read(rows))

    def displayed(self, rows: np.ndarray) -> np.ndarray:
        """The images at these rows as displayed: (B,) -> (B, C, H, W) uint8."""
        return eight_bits(self.images.read(rows))


@dataclass(frozen=True)
class ImageSplit(ImageColumns):
    """Images with a class. labels: (N,) int64. names: a file's path, or "digits[17]"."""

    images: Source
    labels: np.ndarray
    names: Sequence[str]

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return super().attributes(class_names) | {"class": partial(of_classes, self.labels, class_names)}

    def read(self, rows: np.ndarray) -> ImageBatch:
        """The batch of these rows."""
        return ImageBatch(self.read_images(rows), torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))


@dataclass(frozen=True)
class TagSplit(ImageColumns):
    """Images with any number of tags. targets: (N, K) uint8, 1 for each tag that an image has. names: of each."""

    images: Source
    targets: np.ndarray
    names: Sequence[str]

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        return super().attributes(class_names) | {"class": lambda: Attribute(self.targets > 0, names=class_names)}

    def read(self, rows: np.ndarray) -> TagBatch:
        """The batch of these rows."""
        return TagBatch(self.read_images(rows), torch.from_numpy(self.targets[rows]), torch.from_numpy(rows))


@dataclass(frozen=True)
class ImageRegressionSplit(ImageColumns):
    """Images with numbers. targets: (N, K) float64 in their own units. names: of each. target_mean, target_std: K each,
    that batches are standardized with.
    """

    constants = ("target_mean", "target_std")

    images: Source
    targets: np.ndarray
    names: Sequence[str]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    def read(self, rows: np.ndarray) -> ImageRegressionBatch:
        """The batch of these rows."""
        targets = standardized(self.targets[rows], self.target_mean, self.target_std)
        return ImageRegressionBatch(self.read_images(rows), torch.from_numpy(targets), torch.from_numpy(rows))
