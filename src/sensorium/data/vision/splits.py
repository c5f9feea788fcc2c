"""Splits of images with a class, tags or numbers each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sensorium.batches import ImageBatch, ImageRegressionBatch, TagBatch
from sensorium.data.columns import Columns
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.targets.numbers import standardized
from sensorium.data.vision.store import ImageStore
from sensorium.vision.normalise import from_pixels


@dataclass(frozen=True)
class ImageSplit(Columns):
    """Images with a class. labels: (N,) int64. names: a file's path, or "digits[17]"."""

    images: ImageStore
    labels: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, rows: np.ndarray) -> ImageBatch:
        """The batch of these rows; images (B, C, H, W) as `from_pixels` gives them."""
        images = from_pixels(self.images.read(rows))
        return ImageBatch(images, torch.from_numpy(self.labels[rows]), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)


@dataclass(frozen=True)
class TagSplit(Columns):
    """Images with any number of tags. targets: (N, K) uint8, 1 for each tag that an image has. names: of each."""

    images: ImageStore
    targets: np.ndarray
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, rows: np.ndarray) -> TagBatch:
        """The batch of these rows; images (B, C, H, W) as `from_pixels` gives them."""
        images = from_pixels(self.images.read(rows))
        return TagBatch(images, torch.from_numpy(self.targets[rows]), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)


@dataclass(frozen=True)
class ImageRegressionSplit(Columns):
    """Images with numbers. targets: (N, K) float64 in their own units. names: of each. target_mean, target_std: K each,
    that batches are standardized with.
    """

    constants = ("target_mean", "target_std")

    images: ImageStore
    targets: np.ndarray
    names: Sequence[str]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.targets)

    def read(self, rows: np.ndarray) -> ImageRegressionBatch:
        """The batch of these rows; images (B, C, H, W) as `from_pixels` gives them."""
        targets = standardized(self.targets[rows], self.target_mean, self.target_std)
        images = from_pixels(self.images.read(rows))
        return ImageRegressionBatch(images, torch.from_numpy(targets), torch.from_numpy(rows))

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)
