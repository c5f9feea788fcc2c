"""Splits of images with boxes, or with a class for every pixel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from sensorium.batches import IGNORED, DetectionBatch, MaskBatch
from sensorium.data.attributes import Attribute
from sensorium.data.rows import Ragged, Source
from sensorium.data.vision.splits import ImageColumns, square_sides
from sensorium.specs import Resize
from sensorium.vision.fit_boxes import clip_boxes, fit_boxes, fit_mask

_SMALLEST = 1.0  # pixels of a side; what a crop leaves of a box has to be as large to count


@dataclass(frozen=True)
class DetectionSplit(ImageColumns):
    """One part of the data: images and the boxes in them.

    sizes: (N, 2) int64, height and width of each image before it was fitted. boxes, labels, difficult: for each
    image (n, 4) float32 in pixels of the original, (n,) int64 and (n,) bool. image_ids, category_ids: what
    the source calls each image, and each class. resize: how images were fitted.
    """

    constants = ("resize", "category_ids")

    images: Source
    names: Sequence[str]
    sizes: np.ndarray
    boxes: Sequence[np.ndarray]
    labels: Sequence[np.ndarray]
    difficult: Sequence[np.ndarray]
    image_ids: Sequence[int | str]
    category_ids: tuple[int | str, ...]
    resize: Resize

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        def classes() -> Attribute:
            """Which classes the boxes of each image have."""
            return Attribute(
                np.array([np.isin(np.arange(len(class_names)), labels) for labels in self.labels]), names=class_names
            )

        return super().attributes(class_names) | {"size": lambda: square_sides(self.sizes), "class": classes}

    def read(self, rows: np.ndarray) -> DetectionBatch:
        """The batch of these rows, with boxes in pixels of the fitted images; at least one place for a box."""
        most = max(1, *(len(self.labels[row]) for row in rows))
        boxes = np.zeros((len(rows), most, 4), dtype=np.float32)
        labels = np.full((len(rows), most), IGNORED, dtype=np.int64)
        difficult = np.zeros((len(rows), most), dtype=bool)
        for i, row in enumerate(rows):
            count = len(self.labels[row])
            boxes[i, :count], kept = self._fitted(row)
            labels[i, :count] = np.where(kept, self.labels[row], IGNORED)
            difficult[i, :count] = self.difficult[row] & kept
        arrays = (boxes, labels, difficult, rows)
        return DetectionBatch(self.read_images(rows), *(torch.from_numpy(array) for array in arrays))

    def _fitted(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The boxes (n, 4) in the fitted image, and which of them (n,) a crop has left."""
        height, width = self.sizes[row].tolist()
        boxes = fit_boxes(self.boxes[row], size=(height, width), image_size=self.image_size, resize=self.resize)
        if self.resize != "crop":
            return boxes, np.ones(len(boxes), dtype=bool)
        boxes = clip_boxes(boxes, self.image_size)
        return boxes, (boxes[:, 2:] - boxes[:, :2] >= _SMALLEST).all(axis=1)


class ArrayMasks(Ragged):
    """Masks in memory. masks: (N, H, W) uint8."""

    def __init__(self, masks: np.ndarray) -> None:
        self._masks = masks

    def __len__(self) -> int:
        return len(self._masks)

    def at(self, row: int) -> np.ndarray:
        return self._masks[row]


@dataclass(frozen=True)
class MaskSplit(ImageColumns):
    """One part of the data: images with a class for every pixel.

    sizes: (N, 2) int64, height and width of each image before it was fitted. masks: (H, W) uint8 each, class numbers or
    VOID, as large as its image was then. resize: how images were fitted.
    """

    constants = ("resize",)

    images: Source
    names: Sequence[str]
    sizes: np.ndarray
    masks: Source
    resize: Resize

    def attributes(self, class_names: Sequence[str]) -> dict[str, Callable[[], Attribute]]:
        def classes() -> Attribute:
            """Which classes the mask of each image has."""
            there = [
                np.isin(np.arange(len(class_names)), self.read_masks(np.array([row]))[0]) for row in range(len(self))
            ]
            return Attribute(np.array(there), names=class_names)

        return super().attributes(class_names) | {"size": lambda: square_sides(self.sizes), "class": classes}

    def read(self, rows: np.ndarray) -> MaskBatch:
        """The batch of these rows; images and masks fitted alike."""
        masks = np.empty((len(rows), *self.image_size), dtype=np.uint8)
        for i, mask in enumerate(self.read_masks(rows)):
            masks[i] = fit_mask(mask, image_size=self.image_size, resize=self.resize)
        return MaskBatch(self.read_images(rows), torch.from_numpy(masks), torch.from_numpy(rows))

    def read_masks(self, rows: np.ndarray) -> list[np.ndarray]:
        """The masks of these rows before they are fitted, (H, W) uint8 each, as large as `sizes` says."""
        return self.masks.read(rows)

    def class_counts(self, num_classes: int) -> np.ndarray:
        """(K,) int64: pixels of each class in all masks, before they are fitted."""
        counts = np.zeros(256, dtype=np.int64)
        for row in range(len(self)):
            (mask,) = self.masks.read(np.array([row]))
            counts += np.bincount(mask.ravel(), minlength=256)
        return counts[:num_classes]
