"""What a report shows of a regressor: its targets, predictions against truth, errors and examples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sensorium.report_sections import Chart, Gallery, ReportExample, Section, Series, Table
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.regression.report import ranked_examples
from sensorium.tasks.report_media import SHOWN, WORST, evenly

_POINTS = 600  # of a scatter plot
_CHARTS = 6  # targets that have one


def regression_sections(
    found: RegressionEvaluation,
    *,
    target_names: Sequence[str],
    names: Sequence[str],
    looks: Callable[[np.ndarray], list[dict[str, Any]]],
) -> list[Section]:
    """target_names: K. names: N, of the examples. looks: of rows, fields of an `ReportExample` each."""
    ranked = ranked_examples(found)
    rest = ranked[WORST:]
    rows = np.concatenate([ranked[:WORST], rest[evenly(len(rest), SHOWN)]]) if len(rest) else ranked
    examples = [
        ReportExample(
            name=str(names[row]),
            target=_numbers(found.targets[row], target_names),
            predicted=_numbers(found.predictions[row], target_names),
            **look,
        )
        for row, look in zip(rows.tolist(), looks(rows), strict=True)
    ]
    return [
        _per_target(found, target_names),
        *(_scatter(found, place, name, target_names) for place, name in enumerate(target_names[:_CHARTS])),
        Gallery(
            title="Largest errors",
            examples=examples[:WORST],
            total=len(names),
            note="By the absolute error in standard deviations of the target, a mean over targets: true, predicted.",
        ),
        Gallery(title="Predictions", examples=examples, total=len(names), filtered=True),
    ]


def _numbers(values: np.ndarray, target_names: Sequence[str]) -> str:
    if len(target_names) == 1:
        return f"{values[0]:.4g}"
    return ", ".join(f"{name} {value:.4g}" for name, value in zip(target_names, values, strict=True))


def _per_target(found: RegressionEvaluation, target_names: Sequence[str]) -> Table:
    measured = found.per_target()
    columns = [values.tolist() for values in measured]
    titles = {"mae": "MAE", "rmse": "RMSE", "r2": "R\u00b2", "pearson": "Pearson's r", "spearman": "Spearman's \u03c1"}
    return Table(
        title="Targets",
        columns=["target", *(titles.get(name, name) for name in measured._fields)],
        rows=[list(row) for row in zip(target_names, *columns, strict=True)],
        note="Errors are in the units of the target.",
    )


def _scatter(found: RegressionEvaluation, place: int, name: str, target_names: Sequence[str]) -> Chart:
    rows = evenly(len(found.targets), _POINTS)
    true, predicted = found.targets[rows, place], found.predictions[rows, place]
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    what = f": {name}" if len(target_names) > 1 else ""
    return Chart(
        title=f"Predicted against true{what}",
        series=[
            Series(name="perfect", kind="dashed", points=[[low, low], [high, high]]),
            Series(name="examples", kind="points", points=np.stack([true, predicted], axis=1).tolist()),
        ],
        x_label=f"true {name}",
        y_label=f"predicted {name}",
        note="The dashed line is where predictions are right.",
    )
