"""Splits of images with boxes, or with a class for every pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from sensorium.batches import IGNORED, DetectionBatch, MaskBatch
from sensorium.data.columns import Columns
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.vision.store import ImageStore
from sensorium.specs import Resize
from sensorium.vision.fit_boxes import clip_boxes, fit_boxes, fit_mask
from sensorium.vision.normalise import from_pixels

_SMALLEST = 1.0  # pixels of a side; what a crop leaves of a box has to be as large to count


@dataclass(frozen=True)
class DetectionSplit(Columns):
    """One part of the data: images and the boxes in them.

    sizes: (N, 2) int64, height and width of each image before it was fitted. boxes, labels, difficult: for each
    image (n, 4) float32 in pixels of the original, (n,) int64 and (n,) bool. image_ids, category_ids: what
    the source calls each image, and each class. resize: how images were fitted.
    """

    constants = ("resize", "category_ids")

    images: ImageStore
    names: Sequence[str]
    sizes: np.ndarray
    boxes: Sequence[np.ndarray]
    labels: Sequence[np.ndarray]
    difficult: Sequence[np.ndarray]
    image_ids: Sequence[int | str]
    category_ids: tuple[int | str, ...]
    resize: Resize

    def __len__(self) -> int:
        return len(self.names)

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
        images = from_pixels(self.images.read(rows))
        arrays = (boxes, labels, difficult, rows)
        return DetectionBatch(images, *(torch.from_numpy(array) for array in arrays))

    def _fitted(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The boxes (n, 4) in the fitted image, and which of them (n,) a crop has left."""
        image_size = self.images.shape[1:]
        height, width = self.sizes[row].tolist()
        boxes = fit_boxes(self.boxes[row], size=(height, width), image_size=image_size, resize=self.resize)
        if self.resize != "crop":
            return boxes, np.ones(len(boxes), dtype=bool)
        boxes = clip_boxes(boxes, image_size)
        return boxes, (boxes[:, 2:] - boxes[:, :2] >= _SMALLEST).all(axis=1)

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)


class MaskStore(Protocol):
    """N masks of any sizes, read by row number. Several threads may read at once."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> np.ndarray:
        """The mask (H, W) uint8 of class numbers, or VOID, as large as its image was before it was fitted."""


class ArrayMasks:
    """Masks in memory. masks: (N, H, W) uint8."""

    def __init__(self, masks: np.ndarray) -> None:
        self._masks = masks

    def __len__(self) -> int:
        return len(self._masks)

    def read(self, row: int) -> np.ndarray:
        return self._masks[row]


class MaskRows:
    """Some rows of stores of masks, in the order given. rows: (N,) int64."""

    def __init__(self, store: MaskStore, rows: np.ndarray) -> None:
        self._places: list[tuple[MaskStore, int]] = [(store, row) for row in rows.tolist()]

    def __len__(self) -> int:
        return len(self._places)

    def read(self, row: int) -> np.ndarray:
        store, there = self._places[row]
        return store.read(there)

    def subset(self, rows: np.ndarray) -> "MaskRows":
        """These rows alone."""
        return self._of([self._places[row] for row in rows.tolist()])

    def joined(self, others: Sequence["MaskRows"]) -> "MaskRows":
        """This one's rows, then those of the others."""
        return self._of([place for masks in (self, *others) for place in masks._places])

    @staticmethod
    def _of(places: list[tuple[MaskStore, int]]) -> "MaskRows":
        found = MaskRows.__new__(MaskRows)
        found._places = places
        return found


@dataclass(frozen=True)
class MaskSplit(Columns):
    """One part of the data: images with a class for every pixel.

    sizes: (N, 2) int64, height and width of each image before it was fitted. resize: how images were fitted.
    """

    constants = ("resize",)

    images: ImageStore
    names: Sequence[str]
    sizes: np.ndarray
    masks: MaskRows
    resize: Resize

    def __len__(self) -> int:
        return len(self.names)

    def read(self, rows: np.ndarray) -> MaskBatch:
        """The batch of these rows; images and masks fitted alike."""
        height, width = self.images.shape[1:]
        masks = np.empty((len(rows), height, width), dtype=np.uint8)
        for i, mask in enumerate(self.read_masks(rows)):
            masks[i] = fit_mask(mask, image_size=(height, width), resize=self.resize)
        images = from_pixels(self.images.read(rows))
        return MaskBatch(images, torch.from_numpy(masks), torch.from_numpy(rows))

    def read_masks(self, rows: np.ndarray) -> list[np.ndarray]:
        """The masks of these rows before they are fitted, (H, W) uint8 each, as large as `sizes` says."""
        return [self.masks.read(int(row)) for row in rows]

    def class_counts(self, num_classes: int) -> np.ndarray:
        """(K,) int64: pixels of each class in all masks, before they are fitted."""
        counts = np.zeros(256, dtype=np.int64)
        for row in range(len(self)):
            counts += np.bincount(self.masks.read(row).ravel(), minlength=256)
        return counts[:num_classes]

    def order(self, plan: BatchPlan) -> BatchOrder:
        return BatchOrder(num_examples=len(self), plan=plan)
