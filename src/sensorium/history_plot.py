"""The plot of a training's history, from metrics.csv."""

import csv
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sensorium.errors import RequestError
from sensorium.metric_titles import TITLES
from sensorium.tasks.plots import DARK, GREY, LIGHT, RED, new_figure, save_figure


def plot_history(csv_path: Path, out_path: Path, *, monitor: str, best_epoch: int | None) -> None:
    """Loss, accuracy, the monitored metric and the learning rate by epoch, from a metrics.csv; blank cells are skipped.

    monitor: the metric by which best.ckpt was chosen, as it is named in the file. best_epoch: when that was, which is
    marked; None without validation. Raises RequestError when the file has nothing to draw.
    """
    with csv_path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    stages = {
        name: {"train": _series(rows, f"train/{name}"), "val": _series(rows, f"val/{name}")}
        for name in dict.fromkeys(("loss", "accuracy", monitor.partition("/")[2]))
    }
    panels = {TITLES.get(name, name): series for name, series in stages.items()}
    panels["learning rate"] = {"lr": _series(rows, "lr")}
    panels = {name: {k: s for k, s in series.items() if len(s)} for name, series in panels.items()}
    panels = {name: series for name, series in panels.items() if series}
    if not panels:
        raise RequestError(f"{csv_path} has no finished epoch to draw.")
    figure = new_figure(3.6 * len(panels), 3.0, layout="constrained")
    for axes, (name, series) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        if best_epoch is not None and "lr" not in series:
            axes.axvline(best_epoch, color=RED, linewidth=1, linestyle=":", label=f"best: epoch {best_epoch}", zorder=1)
        _draw_series(axes, name, series)
    save_figure(figure, out_path)


def _draw_series(axes: Axes, name: str, series: dict[str, np.ndarray]) -> None:
    for stage, points in series.items():
        marker = "o" if len(points) <= 30 else None
        colour = {"train": LIGHT, "val": DARK}.get(stage, GREY)
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
