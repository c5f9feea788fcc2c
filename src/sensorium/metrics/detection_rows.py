"""COCO's metrics of some images of many, which may repeat: boxes are matched and sorted once, by pycocotools.

An image drawn twice counts twice. Its boxes then follow each other in the order by score, where only the last of alike
ones can bear on the envelope of the precision, so that weighting each box by how often its image was drawn gives what
COCO's evaluator gives for the repeated images (a test compares both).
"""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.metrics.detection import RECALLS, DetectedBoxes, DetectionScores, GroundTruth, matched


@dataclass(frozen=True)
class _Matches:
    """Of a class in an area, D boxes found that count at some overlap, the best first.

    image: (D,) of each. right, wrong: (10, D) float64, 0 or 1, by overlap; neither for a box that does not count.
    wanted: (N,) boxes to find in each image.
    """

    image: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    wanted: np.ndarray

    def curves(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """drawn: (N,) how often each image is. Precision (10, 101) by recall and highest recall (10,); None without a
        box to find.
        """
        wanted = int(self.wanted @ drawn)
        if not wanted:
            return None
        weight = drawn[self.image].astype(np.float64)  # boxes of images that are not drawn add nothing
        right, wrong = np.cumsum(self.right * weight, axis=1), np.cumsum(self.wrong * weight, axis=1)
        recall = right / wanted
        precision = right / (right + wrong + np.spacing(1))
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        found = np.zeros((len(self.right), len(RECALLS)))
        for overlap, (reached, best) in enumerate(zip(recall, envelope, strict=True)):
            places = np.searchsorted(reached, RECALLS, side="left")
            inside = places < len(best)
            found[overlap, inside] = best[places[inside]]
        return found, recall[:, -1] if weight.size else np.zeros(len(self.right))


def scores_of_rows(
    found: Sequence[DetectedBoxes], truths: Sequence[GroundTruth], *, num_classes: int, areas: bool = True
) -> Callable[[np.ndarray], DetectionScores]:
    """A function from rows (M,) of N images, which may repeat, to the scores of these images. areas: as in
    `detection_scores`.
    """
    size = len(truths)
    with contextlib.redirect_stdout(io.StringIO()):  # it tells how long it took
        evaluator = matched(found, truths, num_classes=num_classes, areas=areas)
    num_areas = len(evaluator.params.areaRng)
    # A list of dictionaries, class by class, in each area by area, in each image by image; None without any box.
    cells = [
        [_matches(evaluator.evalImgs[(label * num_areas + area) * size :][:size]) for area in range(num_areas)]
        for label in range(num_classes)
    ]
    overlaps = len(evaluator.params.iouThrs)
    counts = np.zeros((size, num_classes), dtype=np.int64)
    for row, truth in enumerate(truths):
        counts[row] = np.bincount(truth.labels[~truth.difficult], minlength=num_classes)

    def scores(rows: np.ndarray) -> DetectionScores:
        drawn = np.bincount(rows, minlength=size)
        precision = np.full((overlaps, len(RECALLS), num_classes, num_areas), np.nan)
        recall = np.full((overlaps, num_classes, num_areas), np.nan)
        for label, of_class in enumerate(cells):
            for area, matches in enumerate(of_class):
                curves = matches.curves(drawn)
                if curves is not None:
                    precision[:, :, label, area], recall[:, label, area] = curves
        return DetectionScores(precision, recall, drawn @ counts)

    return scores


def _matches(results: Sequence[dict[str, np.ndarray] | None]) -> _Matches:
    """Of one class in one area, from the evaluator's results for each image."""
    wanted = np.array([0 if one is None else int((np.asarray(one["gtIgnore"]) == 0).sum()) for one in results])
    there = [(image, one) for image, one in enumerate(results) if one is not None and len(one["dtScores"])]
    if not there:
        none = np.zeros((10, 0))
        return _Matches(np.zeros(0, dtype=np.int64), none, none, wanted)
    image = np.concatenate([np.full(len(one["dtScores"]), row) for row, one in there])
    values = np.concatenate([one["dtScores"] for _, one in there])
    order = np.argsort(-values, kind="mergesort")  # of equal scores the first image's come first, as in COCO's own
    ignored = np.concatenate([one["dtIgnore"] for _, one in there], axis=1).astype(bool)[:, order]
    taken = np.concatenate([one["dtMatches"] for _, one in there], axis=1)[:, order] > 0
    right, wrong = taken & ~ignored, ~taken & ~ignored
    # Behind the last right box, wrong ones bear on nothing.
    last = int(np.flatnonzero(right.any(axis=0)).max(initial=-1)) + 1
    return _Matches(image[order][:last], right[:, :last].astype(np.float64), wrong[:, :last].astype(np.float64), wanted)
