"""What a report shows of a classifier: confusion, classes, calibration, errors and examples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.metrics.classification import Outcomes, outcomes
from sensorium.report_sections import Gallery, Matrix, ReportExample, Section, Table
from sensorium.tasks.classification.evaluate import ClassificationEvaluation
from sensorium.tasks.plots import ranked_errors
from sensorium.tasks.reliability import reliability_chart
from sensorium.tasks.report_media import WORST, chosen

Looks = Callable[[np.ndarray], list[dict[str, Any]]]


def classification_sections(
    found: ClassificationEvaluation, *, class_names: Sequence[str], names: Sequence[str], looks: Looks
) -> list[Section]:
    """class_names: K. names: N, of the examples. looks: of rows, fields of an `ReportExample` each."""
    measured = outcomes(found.probabilities, found.labels)
    errors = ranked_errors(measured)
    rows = chosen(errors, np.flatnonzero(measured.correct))
    examples = _examples(measured, rows, class_names, names, looks)
    return [
        Matrix(
            title="Confusion matrix",
            names=list(class_names),
            counts=measured.confusion_matrix().tolist(),
            note="Rows are true classes, columns predicted ones.",
        ),
        _per_class(measured, class_names),
        reliability_chart(measured.confidence, measured.correct),
        Gallery(
            title="Worst errors",
            examples=examples[: min(WORST, len(errors))],
            total=len(errors),
            note="The wrong predictions with the highest confidence.",
        ),
        Gallery(title="Predictions", examples=examples, total=len(measured.labels), filtered=True),
    ]


def _examples(
    measured: Outcomes, rows: np.ndarray, class_names: Sequence[str], names: Sequence[str], looks: Looks
) -> list[ReportExample]:
    found = []
    for row, look in zip(rows.tolist(), looks(rows), strict=True):
        label, predicted = class_names[measured.labels[row]], class_names[measured.predicted[row]]
        found.append(
            ReportExample(
                name=str(names[row]),
                target=label,
                predicted=predicted,
                correct=bool(measured.correct[row]),
                score=round(float(measured.confidence[row]), 4),
                groups=[label],
                **look,
            )
        )
    return found


def _per_class(measured: Outcomes, class_names: Sequence[str]) -> Table:
    columns = [values.tolist() for values in measured.per_class()]
    return Table(
        title="Classes",
        columns=["class", "precision", "recall", "F1", "examples"],
        rows=[list(row) for row in zip(class_names, *columns, strict=True)],
    )
