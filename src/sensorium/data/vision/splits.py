"""Splits of images with a class, tags or numbers each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sensorium.batches import ImageBatch, ImageRegressionBatch, TagBatch
from sensorium.data.columns import Columns
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.rows import Source
from sensorium.data.targets.numbers import standardized
from sensorium.vision.depth import eight_bits
from sensorium.vision.normalise import from_pixels


class ImageColumns(Columns):
    """What all splits of images share. images: (N, C, H, W)."""

    images: Source

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)

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

    def read(self, rows: np.ndarray) -> ImageBatch:
        """The batch of these rows."""
        return ImageBatch(self.read_images(rows), torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))


@dataclass(frozen=True)
class TagSplit(ImageColumns):
    """Images with any number of tags. targets: (N, K) uint8, 1 for each tag that an image has. names: of each."""

    images: Source
    targets: np.ndarray
    names: Sequence[str]

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
