"""Detection metrics of COCO, by its own evaluator, pycocotools.

T.-Y. Lin et al., "Microsoft COCO: common objects in context", 2014, arXiv 1405.0312; https://cocodataset.org/#detection-eval.
A found box is right when it overlaps one of its class by a threshold (intersection over union); the average precision
(AP) of a class is the mean of its precision at 101 levels of recall, and the mAP that of all classes, at thresholds
from 0.50 to 0.95. Difficult boxes count neither for nor against, like COCO's crowds. torchmetrics, which calls the same
evaluator and takes seconds to import, gives the same numbers.
"""

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchvision.ops import box_iou

OVERLAPS = np.linspace(0.5, 0.95, 10)
AREAS = ("all", "small", "medium", "large")  # up to 32 x 32 pixels, up to 96 x 96, and above
MOST = 100  # boxes of a class in an image that count, the best ones
RECALLS = np.linspace(0, 1, 101)


class DetectedBoxes(NamedTuple):
    """What is found in an image. boxes: (N, 4) pixels. labels: (N,) class numbers. scores: (N,)."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class GroundTruth(NamedTuple):
    """What there is in an image. boxes: (N, 4) pixels. labels: (N,) class numbers. difficult: (N,) bool."""

    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


@dataclass(frozen=True)
class DetectionScores:
    """precision: (10, 101, K, A) by overlap, recall, class and area; NaN for a class without a box to find. recall:
    (10, K, A), the highest that is reached. counts: (K,) boxes to find.
    """

    precision: np.ndarray
    recall: np.ndarray
    counts: np.ndarray

    def summary(self) -> dict[str, float]:
        """map (over all overlaps), map50, map75, recall (at most 100 boxes a class and image), and map_small,
        map_medium and map_large for the areas that have boxes.
        """
        found = {
            "map50": _mean(self.precision[0, :, :, 0]),
            "map": _mean(self.precision[:, :, :, 0]),
            "map75": _mean(self.precision[5, :, :, 0]),
            "recall": _mean(self.recall[:, :, 0]),
        }
        for number in range(1, self.precision.shape[3]):
            if not np.isnan(self.precision[:, :, :, number]).all():
                found[f"map_{AREAS[number]}"] = _mean(self.precision[:, :, :, number])
        return found

    def average_precision(self, *, overlap: float | None = None) -> np.ndarray:
        """(K,) AP of each class over all overlaps, or at one; NaN for a class without a box."""
        chosen = self.precision[:, :, :, 0]
        if overlap is not None:
            chosen = chosen[[int(np.abs(OVERLAPS - overlap).argmin())]]
        return chosen.mean(axis=(0, 1))


def detection_scores(
    found: Sequence[DetectedBoxes], truths: Sequence[GroundTruth], *, num_classes: int, areas: bool = True
) -> DetectionScores:
    """Of N images. areas: whether small, medium and large boxes are scored too, which takes four times as long."""
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it took
        evaluator = matched(found, truths, num_classes=num_classes, areas=areas)
        evaluator.accumulate()
    precision, recall = (evaluator.eval[name][..., 0] for name in ("precision", "recall"))
    labels = [truth.labels[~truth.difficult] for truth in truths]
    counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *labels]), minlength=num_classes)
    precision, recall = (np.where(values < 0, np.nan, values) for values in (precision, recall))
    return DetectionScores(precision, recall, counts)


def matched(
    found: Sequence[DetectedBoxes], truths: Sequence[GroundTruth], *, num_classes: int, areas: bool
) -> COCOeval:
    """COCO's evaluator, with every found box matched to one of the truth or to none."""
    evaluator = COCOeval(_coco(_truth_rows(truths), len(truths)), _coco(_found_rows(found), len(found)), "bbox")
    params = evaluator.params
    params.catIds, params.imgIds, params.maxDets = list(range(num_classes)), list(range(len(truths))), [MOST]
    if not areas:
        params.areaRng, params.areaRngLbl = params.areaRng[:1], params.areaRngLbl[:1]
    evaluator.evaluate()
    return evaluator


def _mean(values: np.ndarray) -> float:
    """Over the classes that have boxes; 0 when none has."""
    return 0.0 if np.isnan(values).all() else float(np.nanmean(values))


def _coco(rows: Iterable[dict[str, Any]], num_images: int) -> COCO:
    coco = COCO()
    # Numbers from 1 on: the evaluator takes 0 for "no match".
    annotations = [row | {"id": number} for number, row in enumerate(rows, start=1)]
    coco.dataset = {"images": [{"id": row} for row in range(num_images)], "annotations": annotations, "categories": []}
    coco.createIndex()
    return coco


def _truth_rows(truths: Sequence[GroundTruth]) -> Iterable[dict[str, Any]]:
    for row, truth in enumerate(truths):
        for box, label, difficult in zip(truth.boxes, truth.labels, truth.difficult, strict=True):
            yield _row(row, box, label) | {"iscrowd": int(difficult)}


def _found_rows(found: Sequence[DetectedBoxes]) -> Iterable[dict[str, Any]]:
    for row, one in enumerate(found):
        for box, label, score in zip(one.boxes, one.labels, one.scores, strict=True):
            yield _row(row, box, label) | {"iscrowd": 0, "score": float(score)}


def _row(row: int, box: np.ndarray, label: int) -> dict[str, Any]:
    left, top, width, height = as_coco(box)
    return {"image_id": row, "category_id": int(label), "bbox": [left, top, width, height], "area": width * height}


def as_coco(box: np.ndarray) -> tuple[float, float, float, float]:
    """left, top, right and bottom -> left, top, width and height, as COCO writes a box."""
    left, top, right, bottom = (float(side) for side in box)
    return left, top, right - left, bottom - top


class DetectionErrors(NamedTuple):
    """missed: (N,) bool, boxes of the truth that nothing was found for. wrong: (M,) bool, found boxes without a
    counterpart.
    """

    missed: np.ndarray
    wrong: np.ndarray


def errors(found: DetectedBoxes, truth: GroundTruth, *, threshold: float, overlap: float = 0.5) -> DetectionErrors:
    """Of one image, of the boxes that score at least `threshold`: each, the best first, takes the box of its class
    that it overlaps most and that is not taken, by at least `overlap`. Difficult boxes are not missed, and not wrong.
    """
    free = np.ones(len(truth.labels), dtype=bool)
    wrong = np.zeros(len(found.labels), dtype=bool)
    overlaps = box_iou(torch.from_numpy(found.boxes), torch.from_numpy(truth.boxes)).numpy()
    for number in np.argsort(-found.scores, kind="stable"):
        if found.scores[number] < threshold:
            break
        alike = (truth.labels == found.labels[number]) & (overlaps[number] >= overlap)
        candidates = np.flatnonzero(alike & free & ~truth.difficult)
        if len(candidates):
            free[candidates[overlaps[number][candidates].argmax()]] = False
        else:
            wrong[number] = not (alike & truth.difficult).any()
    return DetectionErrors(free & ~truth.difficult, wrong)
