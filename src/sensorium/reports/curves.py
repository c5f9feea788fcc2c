"""Charts of a training's history."""

from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.report_sections import Chart, Series
from sensorium.reports.words import named

_MOST = 6  # metrics that are drawn


def history_charts(history: Sequence[Mapping[str, float]], summary: Mapping[str, Any]) -> list[Chart]:
    """Training beside validation for loss, the monitored metric and others, and the learning rate; by epoch."""
    best = summary.get("best_epoch")
    found = []
    for name in metric_names(history, str(summary.get("monitor", "")))[:_MOST]:
        series = [Series(name=label, points=points_of(history, f"{stage}/{name}")) for stage, label in STAGES.items()]
        found.append(
            Chart(
                title=named(name),
                series=series,
                x_label="epoch",
                y_label=named(name),
                marked=float(best) if best else None,
                mark=f"best epoch: {best}" if best else "",
            )
        )
    rates = points_of(history, "lr")
    if rates:
        series = [Series(name="learning rate", points=rates)]
        found.append(Chart(title="learning rate", series=series, x_label="epoch", y_label="learning rate"))
    return found


STAGES = {"train": "training", "val": "validation"}


def metric_names(history: Sequence[Mapping[str, float]], monitor: str) -> list[str]:
    """Without their stage: loss first, then what is monitored, then the others as they come."""
    columns = [key for row in history for key in row if key.startswith(("train/", "val/"))]
    names = dict.fromkeys(("loss", monitor.partition("/")[2], *(key.partition("/")[2] for key in columns)))
    present = {key.partition("/")[2] for key in columns}
    return [name for name in names if name in present]


def points_of(history: Sequence[Mapping[str, float]], column: str) -> list[tuple[float, float]]:
    """(epoch, value) of the rows that have one."""
    return [(row["epoch"], row[column]) for row in history if column in row]
