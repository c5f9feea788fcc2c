"""What a report shows of a detector: its classes, precision by recall, images with their boxes."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from sensorium.data.vision.scenes import DetectionSplit
from sensorium.metrics.detection import RECALLS, DetectionErrors, errors
from sensorium.report_sections import Chart, Gallery, ReportExample, Section, Series, Table
from sensorium.tasks.object_detection.evaluate import DetectionEvaluation
from sensorium.tasks.object_detection.report import EXTRA, MISSED, RIGHT, THRESHOLD
from sensorium.tasks.report_media import WORST, encoded, evenly
from sensorium.tasks.semantic_segmentation.report import as_rgb
from sensorium.vision.fit_boxes import fit_boxes

_IMAGES = 36  # beside the worst
SIDE = 256  # pixels of the longer side of an image with boxes
_CURVES = 8  # classes with the lowest average precision, each with a curve


def detection_sections(
    found: DetectionEvaluation, *, split: DetectionSplit, class_names: Sequence[str]
) -> list[Section]:
    """split: what was evaluated. class_names: K."""
    faults = [errors(one, truth, threshold=THRESHOLD) for one, truth in zip(found.found, found.truths, strict=True)]
    counts = np.array([int(fault.missed.sum() + fault.wrong.sum()) for fault in faults])
    worst = np.argsort(-counts, kind="stable")
    worst, rest = worst[counts[worst] > 0][:WORST], np.setdiff1d(np.arange(len(faults)), worst[:WORST])
    rows = np.concatenate([worst, rest[evenly(len(rest), _IMAGES)]]) if len(rest) else worst
    examples = [
        _example(found, faults[row], split, row, image, class_names)
        for row, image in zip(rows.tolist(), split.displayed(rows), strict=True)
    ]
    legend = f"Boxes found (green), missed (red) and wrong (orange), at a score of {THRESHOLD} and an overlap of 0.5."
    return [
        _per_class(found, class_names),
        _curves(found, class_names),
        Gallery(title="Worst errors", examples=examples[: len(worst)], total=int((counts > 0).sum()), note=legend),
        Gallery(title="Predictions", examples=examples, total=len(faults), filtered=True, note=legend),
    ]


def _example(
    found: DetectionEvaluation,
    fault: DetectionErrors,
    split: DetectionSplit,
    row: int,
    image: np.ndarray,
    class_names: Sequence[str],
) -> ReportExample:
    one, truth = found.found[row], found.truths[row]
    right = ~fault.wrong & (one.scores >= THRESHOLD)
    height, width = split.sizes[row].tolist()
    kinds = ((one.boxes[right], RIGHT), (one.boxes[fault.wrong], EXTRA), (truth.boxes[fault.missed], MISSED))
    fitted = [
        (fit_boxes(boxes, size=(height, width), image_size=split.image_size, resize=split.resize), color)
        for boxes, color in kinds
    ]
    missed, wrong = int(fault.missed.sum()), int(fault.wrong.sum())
    labels = [class_names[label] for label in one.labels[right].tolist()]
    return ReportExample(
        name=str(split.names[row]),
        predicted=f"{len(labels)} found, {missed} missed, {wrong} wrong",
        correct=missed + wrong == 0,
        groups=sorted({class_names[label] for label in [*truth.labels.tolist(), *one.labels[fault.wrong].tolist()]}),
        image=boxed_uri(image, fitted),
    )


def boxed_uri(image: np.ndarray, boxes: Sequence[tuple[np.ndarray, str]], *, side: int = SIDE) -> str:
    """A small image (C, H, W) uint8 with boxes (N, 4) in its pixels, each set in a color, as a data: URI."""
    scale = max(1.0, side / max(image.shape[1:]))
    drawn = Image.fromarray(np.ascontiguousarray(as_rgb(image)))
    drawn = drawn.resize((round(drawn.width * scale), round(drawn.height * scale)), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(drawn)
    for some, color in boxes:
        for left, top, end, bottom in (some * scale).tolist():
            pen.rectangle((left, top, max(left, end - 1), max(top, bottom - 1)), outline=color, width=2)
    if max(drawn.size) > side:
        drawn.thumbnail((side, side))
    return encoded(drawn, lossless=False)


def _per_class(found: DetectionEvaluation, class_names: Sequence[str]) -> Table:
    scores = found.scores
    columns = (scores.average_precision(), scores.average_precision(overlap=0.5), scores.counts)
    return Table(
        title="Classes",
        columns=["class", "AP", "AP at IoU 0.5", "boxes"],
        rows=[list(row) for row in zip(class_names, *(values.tolist() for values in columns), strict=True)],
    )


def _curves(found: DetectionEvaluation, class_names: Sequence[str]) -> Chart:
    average = found.scores.average_precision(overlap=0.5)
    precision = found.scores.precision[0, :, :, 0]
    lowest = [number for number in np.argsort(average).tolist() if not math.isnan(average[number])][:_CURVES]
    return Chart(
        title="Precision and recall",
        series=[
            Series(
                name=f"{class_names[number]} ({average[number]:.3f})",
                points=np.stack([RECALLS, precision[:, number]], axis=1).tolist(),
            )
            for number in lowest
        ],
        x_label="recall",
        y_label="precision",
        x_range=[0, 1],
        y_range=[0, 1],
        note="At an overlap (IoU) of 0.5; in parentheses the average precision"
        + (f". The {_CURVES} classes with the lowest." if len(class_names) > _CURVES else "."),
    )
