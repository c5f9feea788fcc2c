"""A trained detector over a whole split: the same code, batches and arithmetic after training and in `eval`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.vision.scenes import DetectionSplit
from sensorium.distributed import gather
from sensorium.metrics.detection import DetectedBoxes, DetectionScores, GroundTruth, detection_scores, errors
from sensorium.metrics.detection_rows import scores_of_rows
from sensorium.metrics.uncertainty import Measure, bootstrap_interval
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks.base import Evaluation
from sensorium.tasks.inference import InferenceModel
from sensorium.vision.fit_boxes import unfit_boxes

MOST_RESAMPLED = 20_000  # found boxes up to which there is an interval


@dataclass(frozen=True)
class DetectionEvaluation(Evaluation):
    """What was found in N images, and what there is, both in pixels of the images as they lie in their files, also
    where a crop hides a part of them. seconds: wall time of the pass.
    """

    compared_by = ("map", "map50")

    found: Sequence[DetectedBoxes]
    truths: Sequence[GroundTruth]
    num_classes: int
    seconds: float

    @cached_property
    def scores(self) -> DetectionScores:
        """COCO's numbers for all of them."""
        return detection_scores(self.found, self.truths, num_classes=self.num_classes)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Those of `DetectionScores.summary`."""
        return self.scores.summary()

    def headline_interval(self) -> tuple[float, float] | None:
        """None for many boxes: scoring them again and again would take minutes, and luck counts little there."""
        if sum(len(one.labels) for one in self.found) > MOST_RESAMPLED:
            return None
        scores = scores_of_rows(self.found, self.truths, num_classes=self.num_classes, areas=False)
        return bootstrap_interval(lambda rows: scores(rows).summary()["map"], self.size, resamples=200)

    @property
    def size(self) -> int:
        return len(self.truths)

    def measure(self) -> Measure:
        """Resampled images keep the matches of their boxes, which depend on no other image."""
        scores = scores_of_rows(self.found, self.truths, num_classes=self.num_classes)
        return lambda rows: scores(rows).summary()


class DetectionInference(InferenceModel[ObjectDetectionSpec]):
    """A model ready to find boxes. With a calibration, a score is the probability that a box is right (IoU 0.5)."""

    classes = False

    def detect(self, images: Tensor, sizes: Sequence[tuple[int, int]]) -> list[DetectedBoxes]:
        """images: (B, C, H, W) uint8, on any device. sizes: height and width of each before it was fitted, in whose
        pixels its boxes are. The best of an image come first.
        """
        answers = self(images)
        return [self._in_original(answer, size) for answer, size in zip(answers, sizes, strict=True)]

    def _in_original(self, answer: dict[str, Tensor], size: tuple[int, int]) -> DetectedBoxes:
        boxes, labels = (answer[name].cpu().numpy() for name in ("boxes", "labels"))
        scores = calibrated_scores(answer["scores"], self.calibrate).cpu().numpy()
        boxes = unfit_boxes(boxes, size=size, image_size=self.spec.image_size, resize=self.spec.resize)
        kept = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # what lies in the border that "pad" adds is nowhere
        return DetectedBoxes(boxes[kept], labels[kept], scores[kept])


def calibrated_scores(scores: Tensor, calibrate: nn.Module) -> Tensor:
    """(N,) in the same order, as the correction is monotone; the same numbers where there is none."""
    if isinstance(calibrate, nn.Identity):
        return scores
    odds = scores.double().logit(1e-7)[:, None]
    found: Tensor = calibrate(odds)[:, 0].sigmoid().to(scores.dtype)
    return found


def right_boxes(evaluation: DetectionEvaluation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all N boxes that were found: scores float32, bool whether each is right by `metrics.detection`, and the
    numbers int64 of their images.
    """
    pairs = zip(evaluation.found, evaluation.truths, strict=True)
    right = [~errors(found, truth, threshold=0.0).wrong for found, truth in pairs]
    scores = [found.scores for found in evaluation.found]
    empty = np.zeros(0, np.float32)
    images = np.repeat(np.arange(len(right)), [len(one) for one in right])
    return np.concatenate([empty, *scores]), np.concatenate([empty.astype(bool), *right]), images


def evaluate(detector: DetectionInference, loader: BatchLoader) -> DetectionEvaluation:
    """Every example of the loader's split exactly once, in the order of the split.

    Over several processes each takes its share of the batches and all get the whole result.
    """
    started = time.perf_counter()
    split: DetectionSplit = loader.split
    parts: list[tuple[int, DetectedBoxes]] = []
    for batch in loader:
        rows = batch.indices.tolist()
        found = detector.detect(batch.images, [_size(split.sizes[row]) for row in rows])
        parts += zip(rows, found, strict=True)
    by_row = dict(gather(parts, processes=loader.processes))
    truths = [GroundTruth(*truth) for truth in zip(split.boxes, split.labels, split.difficult, strict=True)]
    return DetectionEvaluation(
        found=[by_row[row] for row in range(len(split))],
        truths=truths,
        num_classes=detector.spec.num_classes,
        seconds=time.perf_counter() - started,
    )


def _size(pair: np.ndarray) -> tuple[int, int]:
    height, width = pair.tolist()
    return height, width
