"""Plots of an evaluation of a regressor."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.metrics.regression import PerTarget
from sensorium.tasks.plots import DARK, GREY, literal, new_figure, save_figure, shown

PANELS = 12  # targets that are drawn at most
POINTS = 5000  # examples in a panel at most
_COLUMNS = 3


def plot_predicted_vs_true(
    *, predictions: np.ndarray, targets: np.ndarray, found: PerTarget, target_names: Sequence[str], path: Path
) -> None:
    """A panel for each of the first 12 targets: prediction over true value, and the diagonal where both are equal.

    predictions, targets: (N, K), of which at most 5,000 examples, evenly spaced, are drawn. found: metrics of all.
    """
    count = min(len(target_names), PANELS)
    columns, rows = min(_COLUMNS, count), math.ceil(count / _COLUMNS)
    figure = new_figure(3.8 * columns, 3.7 * rows, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    chosen = np.unique(np.linspace(0, len(targets) - 1, min(len(targets), POINTS)).astype(int))
    for axes in grid[count:]:
        axes.axis("off")
    for target, axes in enumerate(grid[:count]):
        true, predicted = targets[chosen, target], predictions[chosen, target]
        low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
        margin = 0.04 * (high - low) or 1.0
        axes.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle="--", zorder=1)
        axes.scatter(true, predicted, s=9, color=DARK, alpha=0.5, linewidth=0, zorder=2)
        axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
        axes.set(xlabel="true value", ylabel="prediction")
        r2 = "" if math.isnan(found.r2[target]) else f"R\N{SUPERSCRIPT TWO} {found.r2[target]:.3f},  "
        numbers = f"{r2}MAE {found.mae[target]:.4g},  n = {len(targets):,}"
        literal(axes.set_title(f"{shown(target_names[target], 40)}\n{numbers}", fontsize=9, loc="left"))
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
