"""Segmentation metrics from one confusion matrix, counted in integers.

The intersection over union (IoU, Jaccard index) of a class is the number of pixels that both reference and prediction
give it, over those that either does; its Dice is twice the first over the sum of both. VOID pixels of the reference
are omitted, whatever is predicted there. A class that occurs in neither has no IoU (NaN), and the means leave it out:
over a whole split usually all classes occur, and then this is the usual mean over K. In the reference alone absent,
but predicted, a class counts as 0. Agrees with scikit-learn and torchmetrics.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.batches import VOID


class PerClassIoU(NamedTuple):
    """iou, dice, accuracy (share of the class's pixels that are found), precision: (K,) float64, NaN where undefined.

    pixels: (K,) int64 of the reference.
    """

    iou: np.ndarray
    dice: np.ndarray
    accuracy: np.ndarray
    precision: np.ndarray
    pixels: np.ndarray


def confusion_matrices(predicted: Tensor, masks: Tensor, *, num_classes: int) -> Tensor:
    """(B, H, W) class numbers found, and those of the reference or VOID -> (B, K, K) int64 counts of pixels.

    Row: class of the reference, column: class found.
    """
    counted = masks != VOID
    image = torch.arange(len(masks), device=masks.device).view(-1, 1, 1)
    cells = (image * num_classes + masks) * num_classes + predicted
    counts = torch.bincount(cells[counted], minlength=len(masks) * num_classes**2)
    return counts.view(len(masks), num_classes, num_classes)


def per_class(matrix: np.ndarray) -> PerClassIoU:
    """Of a confusion matrix (K, K), or of many (..., K, K)."""
    return _of_areas(np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(-1), matrix.sum(-2))


def _of_areas(right: np.ndarray, reference: np.ndarray, found: np.ndarray) -> PerClassIoU:
    return PerClassIoU(
        iou=_ratio(right, reference + found - right),
        dice=_ratio(2 * right, reference + found),
        accuracy=_ratio(right, reference),
        precision=_ratio(right, found),
        pixels=reference,
    )


def mean_iou(matrix: np.ndarray) -> np.ndarray:
    """Mean over the classes that occur in reference or prediction: (..., K, K) -> (...) float64; NaN for no pixel."""
    return _mean(per_class(matrix).iou)


def summary(matrix: np.ndarray) -> dict[str, float]:
    """miou, pixel_accuracy, class_accuracy (the mean of each class's) and dice of a confusion matrix (K, K)."""
    return summary_of_areas(np.diagonal(matrix), matrix.sum(1), matrix.sum(0))


def summary_of_areas(right: np.ndarray, reference: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """As `summary`, of each class's pixels (K,) that are rightly found, that the reference has, that were found."""
    of_class = _of_areas(right, reference, found)
    return {
        "miou": float(_mean(of_class.iou)),
        "pixel_accuracy": float(_ratio(right.sum(), reference.sum())),
        "class_accuracy": float(_mean(of_class.accuracy)),
        "dice": float(_mean(of_class.dice)),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """Over the last dimension, without what is NaN; np.nanmean would warn of an image that is VOID all over."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1))
