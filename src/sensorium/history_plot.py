"""The plot of a training's history, from metrics.csv."""

import csv
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sensorium.errors import RequestError
from sensorium.tasks.plots import DARK, LIGHT, new_figure, save_figure


def plot_history(csv_path: Path, out_path: Path) -> None:
    """Loss, accuracy, mean IoU, mAP and learning rate by epoch, from a metrics.csv; blank cells are skipped.

    Raises RequestError when the file has nothing to draw.
    """
    with csv_path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    panels = {
        "loss": {"train": _series(rows, "train/loss"), "val": _series(rows, "val/loss")},
        "accuracy": {"train": _series(rows, "train/accuracy"), "val": _series(rows, "val/accuracy")},
        "mean IoU": {"val": _series(rows, "val/miou")},
        "mAP at an overlap of 0.5": {"val": _series(rows, "val/map50")},
        "learning rate": {"lr": _series(rows, "lr")},
    }
    panels = {name: {k: s for k, s in series.items() if len(s)} for name, series in panels.items()}
    panels = {name: series for name, series in panels.items() if series}
    if not panels:
        raise RequestError(f"{csv_path} has no finished epoch to draw.")
    figure = new_figure(3.6 * len(panels), 3.0, layout="constrained")
    for axes, (name, series) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _draw_series(axes, name, series)
    save_figure(figure, out_path)


def _draw_series(axes: Axes, name: str, series: dict[str, np.ndarray]) -> None:
    for stage, points in series.items():
        marker = "o" if len(points) <= 30 else None
        colour = LIGHT if stage == "train" else DARK
        axes.plot(*points.T, color=colour, label=stage, marker=marker, markersize=3, linewidth=1.5)
    epochs = np.concatenate([points[:, 0] for points in series.values()])
    if epochs.min() == epochs.max():
        axes.set_xlim(epochs[0] - 0.5, epochs[0] + 0.5)
    axes.set_title(name, fontsize=10, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    if "lr" not in series:
        axes.legend(frameon=False, fontsize=8)


def _series(rows: list[dict[str, str]], column: str) -> np.ndarray:
    """(rows with a finite number, 2): epoch and value."""
    points = [(float(row["epoch"]), float(row[column])) for row in rows if row.get(column) and row.get("epoch")]
    return np.array([point for point in points if math.isfinite(point[1])])
