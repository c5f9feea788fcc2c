"""What a report shows of a segmenter: its classes, confusion of pixels, images with their masks."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from sensorium.metrics.segmentation import per_class
from sensorium.report_sections import Chart, Gallery, Matrix, ReportExample, Section, Series, Table
from sensorium.tasks.reliability import reliability_chart
from sensorium.tasks.report_media import encoded
from sensorium.tasks.semantic_segmentation.evaluate import SegmentationEvaluation
from sensorium.tasks.semantic_segmentation.pixels import PixelSample
from sensorium.tasks.semantic_segmentation.report import Masks, as_rgb, colored, overlay

_SIDE = 200  # pixels of the longer side of each view
_BINS = 20  # of the histogram of images


def segmentation_sections(
    found: SegmentationEvaluation,
    *,
    class_names: Sequence[str],
    palette: Sequence[int],
    names: Sequence[str],
    read: Masks,
) -> list[Section]:
    """As `write_segmentation_report`."""
    images, masks = read(np.array([result.row for result in found.worst], dtype=np.int64))
    examples = [
        ReportExample(
            name=str(names[result.row]),
            predicted=f"mean IoU {result.iou:.3f}",
            image=_views(image, mask, result.mask, palette),
        )
        for result, image, mask in zip(found.worst, images, masks, strict=True)
    ]
    note = "Image, reference and prediction of the images with the lowest mean IoU."
    return [
        _per_class(found, class_names),
        Matrix(
            title="Confusion matrix",
            names=list(class_names),
            counts=found.confusion.tolist(),
            unit="pixels",
            note="Pixels: rows are true classes, columns predicted ones.",
        ),
        _histogram(found),
        *_reliability(found.pixels),
        Gallery(title="Worst errors", examples=examples, total=len(names), score="mean IoU", note=note),
    ]


def _views(image: np.ndarray, mask: np.ndarray, predicted: np.ndarray, palette: Sequence[int]) -> str:
    """Side by side: the image, the reference, and the prediction over the image."""
    views = [as_rgb(image), colored(mask, palette), overlay(image, predicted, palette)]
    gap = np.full((image.shape[1], max(1, image.shape[2] // 40), 3), 255, dtype=np.uint8)
    joined = Image.fromarray(np.concatenate([views[0], gap, views[1], gap, views[2]], axis=1))
    scale = _SIDE / max(image.shape[1:])
    size = (max(1, round(joined.width * scale)), max(1, round(joined.height * scale)))
    return encoded(joined.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX), lossless=False)


def _per_class(found: SegmentationEvaluation, class_names: Sequence[str]) -> Table:
    columns = [values.tolist() for values in per_class(found.confusion)]
    return Table(
        title="Classes",
        columns=["class", "IoU", "Dice", "accuracy", "precision", "pixels"],
        rows=[list(row) for row in zip(class_names, *columns, strict=True)],
    )


def _reliability(pixels: PixelSample) -> list[Chart]:
    if not len(pixels.labels):
        return []
    return [reliability_chart(*pixels.outcomes(), what="pixels")]


def _histogram(found: SegmentationEvaluation) -> Chart:
    counts, edges = np.histogram(found.iou[~np.isnan(found.iou)], bins=_BINS, range=(0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    points = np.stack([middles, counts], axis=1).tolist()
    return Chart(
        title="Images by mean IoU",
        series=[Series(name="images", kind="bars", points=points)],
        x_label="mean IoU of an image",
        y_label="images",
        x_range=[0, 1],
    )
