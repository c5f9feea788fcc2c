"""The files an evaluation of a classifier leaves: tables and plots."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from sensorium.files import write_csv, write_json_lines
from sensorium.metrics.classification import Outcomes, outcomes
from sensorium.tasks.classification.decision_boundary import plot_boundary
from sensorium.tasks.classification.evaluate import Plane
from sensorium.tasks.plots import plot_calibration, plot_confusion, plot_worst, ranked_errors, worst_errors
from sensorium.tasks.worst_texts import beginning, distinct

BOUNDARY_EXAMPLES = 1000  # drawn over a boundary at most
COLUMNS = ("index", "name", "label", "prediction", "correct", "confidence", "label_probability")


def write_classification_report(
    folder: Path,
    *,
    probabilities: Tensor,
    labels: Tensor,
    class_names: Sequence[str],
    names: Sequence[str],
    read_images: Callable[[np.ndarray], np.ndarray] | None = None,
    texts: Sequence[str] | None = None,
    plane: Plane | None = None,
    predictions_format: Literal["csv", "jsonl"],
) -> list[Path]:
    """Writes per_class.csv, confusion.csv, predictions.csv or .jsonl, plots/*.png and worst.csv; returns their paths.

    probabilities: (N, K). labels: (N,). class_names: K of them. names: N, of each example, such as
    its file. read_images: rows (B,) int64 -> images (B, C, H, W) uint8, asked for at most 1,000; or None. texts: N,
    what there is to read instead; or None. plane: for images of two numbers, whose boundary is drawn; or None.
    """
    measured = outcomes(probabilities, labels)
    if len(class_names) != measured.num_classes or len(names) != len(measured.labels):
        raise ValueError(
            f"{len(class_names)} class names and {len(names)} example names for probabilities of shape "
            f"{tuple(probabilities.shape)}."
        )
    matrix = measured.confusion_matrix()
    predictions = folder / f"predictions.{predictions_format}"
    plots = folder / "plots"
    write_csv(folder / "per_class.csv", _per_class_rows(measured, class_names))
    write_csv(folder / "confusion.csv", confusion_rows(matrix, class_names))
    if predictions_format == "csv":
        write_csv(predictions, [COLUMNS, *_prediction_rows(measured, class_names, names)])
    else:
        records = _prediction_rows(measured, class_names, names)
        write_json_lines(predictions, (dict(zip(COLUMNS, record, strict=True)) for record in records))
    plot_confusion(matrix=matrix, class_names=class_names, path=plots / "confusion.png")
    plot_calibration(outcomes=measured, path=plots / "calibration.png")
    paths = [folder / "per_class.csv", folder / "confusion.csv", predictions]
    paths += [plots / "confusion.png", plots / "calibration.png"]
    if read_images is not None:
        worst = worst_errors(measured)
        paths.append(plots / "worst.png")
        plot_worst(
            images=read_images(worst) if len(worst) else np.empty((0, 1, 1, 1), np.uint8),
            labels=[class_names[c] for c in measured.labels[worst]],
            predictions=[class_names[c] for c in measured.predicted[worst]],
            confidences=measured.confidence[worst].tolist(),
            names=[names[row] for row in worst.tolist()],
            path=paths[-1],
        )
    if plane is not None and read_images is not None:
        paths.append(plots / "boundary.png")
        rows = np.arange(min(len(measured.labels), BOUNDARY_EXAMPLES))
        plot_boundary(
            plane=plane,
            points=read_images(rows).reshape(len(rows), 2) / 255,
            labels=measured.labels[rows],
            correct=measured.correct[rows],
            class_names=class_names,
            path=paths[-1],
        )
    if texts is not None:
        paths.append(folder / "worst.csv")
        write_csv(paths[-1], _worst_text_rows(measured, class_names, texts))
    return paths


def _worst_text_rows(
    measured: Outcomes, class_names: Sequence[str], texts: Sequence[str]
) -> Iterable[Sequence[object]]:
    yield ("index", "label", "prediction", "confidence", "count", "text")
    for row, count in distinct(ranked_errors(measured), texts):
        label, predicted = class_names[measured.labels[row]], class_names[measured.predicted[row]]
        yield (row, label, predicted, _rounded(measured.confidence[row]), count, beginning(texts[row]))


def _per_class_rows(measured: Outcomes, class_names: Sequence[str]) -> Iterable[Sequence[object]]:
    yield ("class", "precision", "recall", "f1", "support")
    precision, recall, f1, support = (values.tolist() for values in measured.per_class())
    yield from zip(class_names, precision, recall, f1, support, strict=True)


def confusion_rows(matrix: np.ndarray, class_names: Sequence[str]) -> Iterable[Sequence[object]]:
    """A table of a confusion matrix (K, K), with its heading."""
    yield ("true class / predicted class", *class_names)
    for name, counts in zip(class_names, matrix.tolist(), strict=True):
        yield (name, *counts)


def _prediction_rows(
    measured: Outcomes, class_names: Sequence[str], names: Sequence[str]
) -> Iterable[tuple[object, ...]]:
    for row, name in enumerate(names):
        yield (
            row,
            name,
            class_names[measured.labels[row]],
            class_names[measured.predicted[row]],
            bool(measured.correct[row]),
            _rounded(measured.confidence[row]),
            _rounded(measured.label_probability[row]),
        )


def _rounded(probability: float) -> float:
    """Six digits: as many as a float32 holds for certain."""
    return float(f"{probability:.6g}")
