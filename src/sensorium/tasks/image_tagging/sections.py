"""What a report shows of a tagger: its tags, precision by recall, errors and examples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.metrics.multilabel import precision_recall_curve
from sensorium.report_sections import Chart, Gallery, ReportExample, Section, Series, Table
from sensorium.tasks.image_tagging.evaluate import TaggingEvaluation
from sensorium.tasks.report_media import WORST, chosen

_CURVES = 7  # tags with the lowest average precision, each with a curve
_POINTS = 200  # of a curve


def tagging_sections(
    found: TaggingEvaluation,
    *,
    class_names: Sequence[str],
    names: Sequence[str],
    looks: Callable[[np.ndarray], list[dict[str, Any]]],
) -> list[Section]:
    """class_names: K. names: N, of the images. looks: of rows, fields of an `ReportExample` each."""
    wrong = (found.predicted != (found.targets > 0)).any(axis=1)
    sureness = np.abs(found.probabilities - found.targets).max(axis=1)
    errors = np.flatnonzero(wrong)
    errors = errors[np.argsort(-sureness[errors], kind="stable")]
    examples = []
    rows = chosen(errors, np.flatnonzero(~wrong))
    for row, look in zip(rows.tolist(), looks(rows), strict=True):
        tags, predicted = (
            [class_names[tag] for tag in np.flatnonzero(values[row]).tolist()]
            for values in (found.targets, found.predicted)
        )
        examples.append(
            ReportExample(
                name=str(names[row]),
                target=", ".join(tags) or "no tag",
                predicted=", ".join(predicted) or "no tag",
                correct=not wrong[row],
                groups=tags,
                **look,
            )
        )
    return [
        _per_tag(found, class_names),
        _curves(found, class_names),
        Gallery(
            title="Worst errors",
            examples=examples[: min(WORST, len(errors))],
            total=len(errors),
            note="Images with the most confident wrong decision about a tag.",
        ),
        Gallery(title="Predictions", examples=examples, total=len(names), grouped="tag", filtered=True),
    ]


def _per_tag(found: TaggingEvaluation, class_names: Sequence[str]) -> Table:
    columns = [values.tolist() for values in found.per_tag()[:5]]
    return Table(
        title="Tags",
        columns=["tag", "average precision", "precision", "recall", "F1", "images"],
        rows=[list(row) for row in zip(class_names, *columns, strict=True)],
        note=f"Precision, recall and F1 at a threshold of {found.threshold}.",
    )


def _curves(found: TaggingEvaluation, class_names: Sequence[str]) -> Chart:
    average = found.per_tag().average_precision
    lowest = [tag for tag in np.argsort(average, kind="stable").tolist() if not np.isnan(average[tag])][:_CURVES]
    series = []
    for tag in lowest:
        curve = precision_recall_curve(found.probabilities[:, tag], found.targets[:, tag])
        points = np.stack([curve.recall, curve.precision], axis=1)
        kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), _POINTS)).astype(np.int64))
        series.append(Series(name=f"{class_names[tag]} ({average[tag]:.3f})", points=points[kept].tolist()))
    few = f"The {_CURVES} tags with the lowest average precision. " if len(class_names) > _CURVES else ""
    return Chart(
        title="Precision and recall",
        series=series,
        x_label="recall",
        y_label="precision",
        x_range=[0, 1],
        y_range=[0, 1],
        note=f"{few}In parentheses: average precision.",
    )
