"""Pixels by which a segmenter's confidence is measured and corrected: a bounded sample of a split, always the same."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.batches import VOID
from sensorium.metrics.calibration import BinnedGaps
from sensorium.randomness import generator

PIXELS = 50_000  # of a split, about


class PixelSample(NamedTuple):
    """images: (M,) int64 rows of the split, in order. probabilities: (M, K) float32. labels: (M,) int64, none VOID."""

    images: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray

    def gaps(self) -> BinnedGaps:
        """Confidence less accuracy, by image."""
        return BinnedGaps(*self.outcomes(), self.images)

    def outcomes(self) -> tuple[np.ndarray, np.ndarray]:
        """Confidence (M,), and whether the class is right (M,)."""
        return self.probabilities.max(axis=1), self.probabilities.argmax(axis=1) == self.labels


def empty(classes: int) -> PixelSample:
    """No pixel."""
    return PixelSample(np.zeros(0, np.int64), np.zeros((0, classes), np.float32), np.zeros(0, np.int64))


def sampled(logits: Tensor, masks: Tensor, rows: Sequence[int], *, images: int) -> PixelSample:
    """Of a batch: of each image as many pixels as its share of PIXELS, drawn by its row among those that are not VOID,
    with replacement, so that some come twice and count once.

    logits: (B, K, H, W). masks: (B, H, W) uint8. rows: B, in the split. images: of the split; of more than PIXELS, some
    are left out.
    """
    step, count = max(1, images // PIXELS), max(1, PIXELS // max(1, images))
    found = [empty(logits.shape[1])]
    for place, row in enumerate(rows):
        valid = np.flatnonzero(masks[place].flatten().cpu().numpy() != VOID)
        if row % step or not len(valid):
            continue
        few = len(valid) <= count  # all of them
        drawn = valid if few else valid[np.unique(generator(row).integers(len(valid), size=count))]
        chosen = torch.from_numpy(drawn)
        probabilities = logits[place].flatten(1)[:, chosen.to(logits.device)].T.float().softmax(1).cpu().numpy()
        labels = masks[place].flatten().cpu()[chosen].long().numpy()
        found.append(PixelSample(np.full(len(drawn), row), probabilities, labels))
    return joined(found)


def joined(samples: Sequence[PixelSample]) -> PixelSample:
    """In the order of the images."""
    parts = [np.concatenate(column) for column in zip(*samples, strict=True)]
    order = np.argsort(parts[0], kind="stable")
    return PixelSample(*(part[order] for part in parts))
