"""The files an evaluation of a detector leaves: tables and plots."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from sensorium.data.vision.scenes import DetectionSplit
from sensorium.files import write_csv, write_json, write_json_lines
from sensorium.metrics.detection import RECALLS, DetectionErrors, as_coco, errors
from sensorium.tasks.object_detection.evaluate import DetectionEvaluation
from sensorium.tasks.plots import literal, new_figure, save_figure, shown
from sensorium.vision.fit_boxes import fit_boxes

THRESHOLD = 0.3  # score from which a box counts as found where one has to choose: in tables per image, and in plots
WORST, ACROSS = 12, 4  # images of the worst misses, and of a row
CURVES = 20  # classes that have a color of their own
MISSED, EXTRA, RIGHT = "#ff2d2d", "#ffb000", "#3ddc5a"
COLUMNS = ("index", "name", "class", "score", "left", "top", "right", "bottom", "correct")


def write_detection_report(
    folder: Path,
    *,
    detections: DetectionEvaluation,
    split: DetectionSplit,
    class_names: Sequence[str],
    predictions_format: Literal["csv", "jsonl"],
) -> list[Path]:
    """Writes per_class.csv, detections.json (all that was found, as COCO's results), predictions.csv or .jsonl (a line
    for each box that scores at least THRESHOLD), plots/precision_recall.png and plots/worst.png; returns their paths.

    split: what was evaluated. class_names: K of them. In detections.json images and categories have the ids of the
    source where it has any; else the row in the split, and the number of the class from 1 on.
    """
    faults = [
        errors(found, truth, threshold=THRESHOLD)
        for found, truth in zip(detections.found, detections.truths, strict=True)
    ]
    predictions = folder / f"predictions.{predictions_format}"
    paths = [folder / "per_class.csv", folder / "detections.json", predictions]
    paths += [folder / "plots" / "precision_recall.png", folder / "plots" / "worst.png"]
    write_csv(paths[0], _per_class_rows(detections, faults, class_names))
    write_json(paths[1], list(_results(detections, split)))
    rows = _prediction_rows(detections, faults, split.names, class_names)
    if predictions_format == "csv":
        write_csv(predictions, [COLUMNS, *rows])
    else:
        write_json_lines(predictions, (dict(zip(COLUMNS, row, strict=True)) for row in rows))
    plot_precision_recall(
        precision=detections.scores.precision[0, :, :, 0].T,
        average=detections.scores.average_precision(overlap=0.5),
        class_names=class_names,
        path=paths[3],
    )
    plot_worst_misses(detections=detections, faults=faults, split=split, class_names=class_names, path=paths[4])
    return paths


def _per_class_rows(
    detections: DetectionEvaluation, faults: Sequence[DetectionErrors], class_names: Sequence[str]
) -> Iterator[Sequence[object]]:
    """precision and recall: of what scores at least THRESHOLD, at an overlap of one half."""
    yield ("class", "boxes", "ap", "ap50", "found", "precision", "recall")
    scores = detections.scores
    average, at_half = scores.average_precision(), scores.average_precision(overlap=0.5)
    rows = zip(class_names, scores.counts, average, at_half, strict=True)
    for number, (name, boxes, ap, ap50) in enumerate(rows):
        found = missed = wrong = 0
        for one, truth, fault in zip(detections.found, detections.truths, faults, strict=True):
            mine = one.labels == number
            found += int((mine & (one.scores >= THRESHOLD)).sum())
            wrong += int(fault.wrong[mine].sum())
            missed += int(fault.missed[truth.labels == number].sum())
        right = boxes - missed
        precision = right / (right + wrong) if right + wrong else math.nan
        yield (name, int(boxes), ap, ap50, found, precision, right / boxes if boxes else math.nan)


def _results(detections: DetectionEvaluation, split: DetectionSplit) -> Iterator[dict[str, Any]]:
    """https://cocodataset.org/#format-results."""
    for image_id, one in zip(split.image_ids, detections.found, strict=True):
        for box, label, score in zip(one.boxes, one.labels, one.scores, strict=True):
            bbox, category = [round(side, 2) for side in as_coco(box)], split.category_ids[int(label)]
            yield {"image_id": image_id, "category_id": category, "bbox": bbox, "score": round(float(score), 5)}


def _prediction_rows(
    detections: DetectionEvaluation, faults: Sequence[DetectionErrors], names: Sequence[str], class_names: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    for row, (one, fault) in enumerate(zip(detections.found, faults, strict=True)):
        for number in np.flatnonzero(one.scores >= THRESHOLD):
            sides = (round(float(side), 2) for side in one.boxes[number])
            score = float(f"{one.scores[number]:.6g}")
            yield row, str(names[row]), class_names[one.labels[number]], score, *sides, not fault.wrong[number]


def plot_precision_recall(
    *, precision: np.ndarray, average: np.ndarray, class_names: Sequence[str], path: Path
) -> None:
    """precision: (K, 101) at an overlap of one half, by recall from 0 to 1; NaN for a class without boxes. average:
    (K,) its mean. Up to 20 classes have a color and a name each, the worst first; of more the worst do.
    """
    figure = new_figure(6.2, 4.0, layout="constrained")
    axes = figure.add_subplot()
    order = [number for number in np.argsort(average) if not np.isnan(average[number])]
    for place, number in reversed(list(enumerate(order))):
        named = place < CURVES
        color = colormaps["tab20"](place % CURVES) if named else "#dddddd"
        label = f"{shown(class_names[number], 22)} {average[number]:.3f}" if named else None
        axes.plot(RECALLS, precision[number], color=color, linewidth=1.5, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    mean = float(np.mean(average[order])) if order else 0.0
    axes.set_title(f"mAP at an overlap of 0.5: {mean:.3f}", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.8)
    if order:
        handles, labels = axes.get_legend_handles_labels()
        legend = figure.legend(handles[::-1], labels[::-1], loc="outside right upper", frameon=False, fontsize=7)
        for text in legend.get_texts():
            literal(text)
    save_figure(figure, path)


def worst_images(faults: Sequence[DetectionErrors]) -> list[int]:
    """Rows of the images with the most boxes missed or wrong, the worst first; at most as many as are drawn."""
    counts = [int(fault.missed.sum() + fault.wrong.sum()) for fault in faults]
    wrong = [row for row, count in enumerate(counts) if count]
    return sorted(wrong, key=lambda row: -counts[row])[:WORST]


def plot_worst_misses(
    *,
    detections: DetectionEvaluation,
    faults: Sequence[DetectionErrors],
    split: DetectionSplit,
    class_names: Sequence[str],
    path: Path,
) -> None:
    """A grid of the worst images as the model sees them, with boxes that were found, missed and wrong."""
    rows = worst_images(faults)
    if not rows:
        figure = new_figure(5, 1.6)
        figure.text(0.5, 0.5, "Every box was found, and no other.", ha="center", va="center", fontsize=12)
        save_figure(figure, path)
        return
    images = split.displayed(np.array(rows, dtype=np.int64))
    columns, lines = min(ACROSS, len(rows)), math.ceil(len(rows) / ACROSS)
    height = 2.9 * min(2.0, max(0.4, images.shape[2] / images.shape[3]))
    figure = new_figure(max(2.9 * columns, 4.5), (height + 0.3) * lines + 0.4, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, row, image in zip(grid, rows, images, strict=False):
        gray = np.repeat(image[:1], 3, axis=0)
        axes.imshow((image if len(image) == 3 else gray).transpose(1, 2, 0))
        _draw_faults(axes, detections, faults[row], split, row, class_names)
        missed, wrong = int(faults[row].missed.sum()), int(faults[row].wrong.sum())
        name = Path(str(split.names[row])).name
        literal(axes.set_title(f"{shown(name, 24)}: {missed} missed, {wrong} wrong", fontsize=7, pad=3))
    colors = {"found": RIGHT, "missed": MISSED, "wrong": EXTRA}
    handles = [Line2D([], [], color=color, linewidth=2, label=label) for label, color in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    save_figure(figure, path)


def _draw_faults(
    axes: Axes,
    detections: DetectionEvaluation,
    fault: DetectionErrors,
    split: DetectionSplit,
    row: int,
    class_names: Sequence[str],
) -> None:
    """Names stand at what is missed or wrong alone: where all is well, the image shows it."""
    height, width = split.sizes[row].tolist()
    found, truth = detections.found[row], detections.truths[row]
    right = ~fault.wrong & (found.scores >= THRESHOLD)
    kinds = (
        (found.boxes[right], found.labels[right], RIGHT, 0.9),
        (found.boxes[fault.wrong], found.labels[fault.wrong], EXTRA, 1.3),
        (truth.boxes[fault.missed], truth.labels[fault.missed], MISSED, 1.3),
    )
    for boxes, labels, color, line in kinds:
        fitted = fit_boxes(boxes, size=(height, width), image_size=split.image_size, resize=split.resize)
        for (left, top, end, bottom), label in zip(fitted.tolist(), labels, strict=True):
            corner = (left - 0.5, top - 0.5)  # matplotlib's pixels have their middle at whole numbers
            axes.add_patch(Rectangle(corner, end - left, bottom - top, fill=False, edgecolor=color, linewidth=line))
            if color != RIGHT:
                text = axes.text(*corner, shown(class_names[label], 12), fontsize=6, color=color, va="bottom")
                literal(text)
