"""The decision boundary of a model of two inputs: probabilities over the plane, and the examples on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.lines import Line2D

from sensorium.tasks.classification.evaluate import Plane
from sensorium.tasks.plots import literal, new_figure, save_figure, shown

_COLORS = colormaps["tab10"].colors  # type: ignore[attr-defined]


def plot_boundary(
    *,
    plane: Plane,
    points: np.ndarray,
    labels: np.ndarray,
    correct: np.ndarray,
    class_names: Sequence[str],
    path: Path,
) -> None:
    """The plane in the colors of its classes, paler where the model is less sure, with a line where the class changes.

    points: (N, 2) first and second input, from 0 to 1. labels: (N,) class numbers. correct: (N,) bool; a wrong example
    is crossed out.
    """
    probabilities = plane.probabilities.double().numpy()  # (G, G, K)
    colors = np.array([_COLORS[number % len(_COLORS)] for number in range(len(class_names))])  # (K, 3)
    said, even = probabilities.argmax(2), 1 / len(class_names)
    sure = (probabilities.max(2, keepdims=True) - even) / (1 - even)  # (G, G, 1), 0 where all are identical
    figure = new_figure(4.6, 4.2)
    axes = figure.add_subplot()
    steps = np.linspace(plane.low, plane.high, len(probabilities))
    extent = (plane.low, plane.high, plane.low, plane.high)
    pale = 1 - (0.12 + 0.48 * sure) * (1 - colors[said])
    axes.imshow(pale, origin="lower", extent=extent, interpolation="nearest")
    for number in np.unique(said)[1:]:  # one line fewer than classes
        others = np.delete(probabilities, number, axis=2).max(2)
        axes.contour(steps, steps, probabilities[:, :, number] - others, levels=[0], colors="k", linewidths=1.2)
    for number in np.unique(labels):
        mine = labels == number
        axes.scatter(
            points[mine, 0], points[mine, 1], s=90, color=colors[number], edgecolor="white", linewidth=1.5, zorder=3
        )
    axes.scatter(points[~correct, 0], points[~correct, 1], s=45, color="white", marker="x", linewidth=2, zorder=4)
    handles = [
        Line2D([], [], marker="o", linestyle="", color=colors[number], label=shown(name, 22))
        for number, name in enumerate(class_names)
    ]
    legend = axes.legend(handles=handles, title="class", loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    for text in legend.get_texts():
        literal(text)
    axes.set(xlabel="first input", ylabel="second input", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    wrong = int((~correct).sum())
    axes.set_title(f"{len(points) - wrong:,} of {len(points):,} right", fontsize=10, loc="left")
    save_figure(figure, path, tight=True)
