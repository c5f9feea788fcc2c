"""A trained segmenter over a whole split: the same code, batches and arithmetic after training and in `eval`."""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.batches import VOID
from sensorium.data.loader import BatchLoader
from sensorium.distributed import gather
from sensorium.metrics.calibration import measured_error
from sensorium.metrics.segmentation import confusion_matrices, mean_iou, summary, summary_of_areas
from sensorium.metrics.uncertainty import Interval, Measure, bootstrap_interval
from sensorium.specs import SemanticSegmentationSpec
from sensorium.tasks.base import Evaluation
from sensorium.tasks.inference import InferenceModel
from sensorium.tasks.semantic_segmentation.pixels import PixelSample, empty, joined, sampled

WORST = 8  # images whose predictions are kept to be looked at


class ImageResult(NamedTuple):
    """An image: its row in the split, its mean IoU, and the mask (H, W) uint8 that was found."""

    row: int
    iou: float
    mask: np.ndarray


@dataclass(frozen=True)
class SegmentationEvaluation(Evaluation):
    """confusion: (K, K) int64 pixels, row the reference. iou, pixel_accuracy: (N,) float64 of each image, the first a
    mean over the classes that occur there; NaN for one that is VOID all over. nats: (N,) float64 of each image's
    counted pixels, together.
    areas: (N, 3, K) int64 pixels of each image that are rightly found, that the reference has, that were found.
    worst: the images with the lowest IoU, the worst first. seconds: wall time of the pass. pixels: a sample.
    """

    compared_by = ("miou", "pixel_accuracy")

    confusion: np.ndarray
    iou: np.ndarray
    pixel_accuracy: np.ndarray
    nats: np.ndarray
    areas: np.ndarray
    worst: tuple[ImageResult, ...]
    seconds: float
    pixels: PixelSample = field(default_factory=lambda: empty(1))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Those of `metrics.segmentation.summary`, the calibration error of the sampled pixels, and loss, in nats a
        pixel.
        """
        errors = {"calibration_error": self.pixels.gaps().error()} if len(self.pixels.images) else {}
        loss = float(self.nats.sum()) / max(1, int(self.confusion.sum()))
        return summary(self.confusion) | errors | {"loss": loss}

    @property
    def size(self) -> int:
        return len(self.areas)

    def measure(self) -> Measure:
        def metrics(rows: np.ndarray) -> dict[str, float]:
            right, reference, found = self.areas[rows].sum(axis=0)
            pixels = int(reference.sum())
            loss = float(self.nats[rows].sum()) / max(1, pixels)
            named = summary_of_areas(right, reference, found) | {"loss": loss}
            return {name: value for name, value in named.items() if not math.isnan(value)}

        return metrics

    def intervals(self, resamples: int) -> dict[str, Interval]:
        """With that of the calibration error."""
        found = super().intervals(resamples)
        gaps = self.pixels.gaps()
        if gaps.size < 2:
            return found
        return found | {"calibration_error": measured_error(gaps, resamples=resamples)[1:]}

    def headline_interval(self) -> tuple[float, float] | None:
        measure = self.measure()
        return bootstrap_interval(lambda rows: measure(rows).get("miou", math.nan), self.size)


class SegmentationInference(InferenceModel[SemanticSegmentationSpec]):
    """A model ready to segment images."""

    def logits(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8, on any device -> (B, K, H, W) float32 on the model's."""
        calibrated: Tensor = self.calibrate(self(images).float())
        return calibrated

    def masks(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8, on any device -> class numbers (B, H, W) uint8 on the CPU."""
        return _classes(self.logits(images))

    def finite_masks(self, images: Tensor) -> list[np.ndarray | None]:
        """As `masks`, one by one; None for an image whose logits are no numbers."""
        logits = self.logits(images)
        finite = logits.isfinite().flatten(1).all(dim=1).tolist()
        return [mask if sound else None for mask, sound in zip(_classes(logits).numpy(), finite, strict=True)]


def evaluate(segmenter: SegmentationInference, loader: BatchLoader) -> SegmentationEvaluation:
    """Every example of the loader's split exactly once, at the size the model sees.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    classes = segmenter.spec.num_classes
    confusion = np.zeros((classes, classes), dtype=np.int64)
    examples: list[tuple[int, float, float, float]] = []
    areas: dict[int, np.ndarray] = {}
    worst: list[ImageResult] = []
    pixels = [empty(classes)]
    for batch in loader:
        logits = segmenter.logits(batch.images)
        masks = _classes(logits)
        matrices = confusion_matrices(masks, batch.masks, num_classes=classes).numpy()
        confusion += matrices.sum(axis=0)
        rows, iou = batch.indices.tolist(), mean_iou(matrices).tolist()
        right, counted = np.trace(matrices, axis1=1, axis2=2), matrices.sum(axis=(1, 2))
        accuracy = np.where(counted > 0, right / np.maximum(counted, 1), np.nan).tolist()
        examples += zip(rows, iou, accuracy, _nats(logits, batch.masks), strict=True)
        found = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum(axis=2), matrices.sum(axis=1)
        pixels.append(sampled(logits, batch.masks, rows, images=len(loader.split)))
        areas |= dict(zip(rows, np.stack(found, axis=1), strict=True))
        worst = _worst(worst + [ImageResult(*result) for result in zip(rows, iou, masks.numpy(), strict=True)])
    shares = gather([(confusion, examples, worst, areas, joined(pixels))], processes=loader.processes)
    ordered = np.array(sorted(row for share in shares for row in share[1])).reshape(-1, 4)
    return SegmentationEvaluation(
        confusion=np.sum([share[0] for share in shares], axis=0),
        iou=ordered[:, 1],
        pixel_accuracy=ordered[:, 2],
        nats=ordered[:, 3],
        areas=np.stack([areas for _, areas in sorted(item for share in shares for item in share[3].items())]),
        worst=tuple(_worst(result for share in shares for result in share[2])),
        seconds=time.perf_counter() - started,
        pixels=joined([share[4] for share in shares]),
    )


def _classes(logits: Tensor) -> Tensor:
    """(B, K, H, W) -> (B, H, W) uint8 on the CPU; 255 classes at most, for the last number is VOID."""
    return logits.argmax(1).to(torch.uint8).cpu()


def _nats(logits: Tensor, masks: Tensor) -> list[float]:
    """Of the counted pixels of each image, together."""
    masks = masks.to(logits.device).long()
    losses = F.cross_entropy(logits, masks, ignore_index=VOID, reduction="none")
    nats: list[float] = losses.double().sum(dim=(1, 2)).tolist()
    return nats


def _worst(found: Iterable[ImageResult]) -> list[ImageResult]:
    """Copies, so that a mask does not keep the batch it was part of."""
    chosen = sorted((one for one in found if one.iou == one.iou), key=lambda one: (one.iou, one.row))[:WORST]
    return [one._replace(mask=one.mask.copy()) for one in chosen]
