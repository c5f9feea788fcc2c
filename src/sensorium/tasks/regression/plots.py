"""Plots of an evaluation of a regressor."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.tasks.plots import DARK, GREY, GRID, literal, new_figure, save_figure, shown

PANELS = 12  # targets that are drawn at most
POINTS = 5000  # examples in a panel at most
_COLUMNS = 3


def plot_predicted_vs_true(
    *, predictions: np.ndarray, targets: np.ndarray, r2: np.ndarray, target_names: Sequence[str], path: Path
) -> None:
    """A panel for each of the first 12 targets: prediction over true value, and the diagonal where both are equal.

    predictions, targets: (N, K), of which at most 5,000 examples, evenly spaced, are drawn. r2: (K,) of all.
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
        told = "" if math.isnan(r2[target]) else f"   R\N{SUPERSCRIPT TWO} {r2[target]:.3f}"
        literal(axes.set_title(f"{shown(target_names[target], 30)}{told}", fontsize=10, loc="left"))
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def plot_worst_images(*, images: np.ndarray, titles: Sequence[str], path: Path) -> None:
    """A grid of images (B, C, H, W) uint8 under their titles. Three channels are shown as colors, any other number as
    the gray of their mean.
    """
    columns, rows = min(GRID, len(images)), math.ceil(len(images) / GRID)
    height = 1.7 * min(2.0, max(0.5, images.shape[2] / images.shape[3]))
    figure = new_figure(max(1.75 * columns, 3.5), (height + 0.42) * rows + 0.1, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, image, title in zip(grid, images, titles, strict=False):
        if len(image) != 3:
            image = np.repeat(image.mean(axis=0, keepdims=True).astype(np.uint8), 3, axis=0)
        axes.imshow(image.transpose(1, 2, 0))
        literal(axes.set_title(shown(title, 32), fontsize=8, pad=3))
    save_figure(figure, path)
