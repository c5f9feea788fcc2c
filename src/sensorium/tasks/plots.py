"""Plots of an evaluation: each function draws one and writes it as PNG.

Figures are built with matplotlib's objects and never with pyplot, whose global state belongs to the user.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter

from sensorium.files import replacing
from sensorium.metrics.classification import BINS, Outcomes
from sensorium.vision import fonts

DPI = 150
GRID = 5  # worst errors in a row and in a column
FEW = 50  # examples below which the calibration error is mostly chance
NUMBERED, NAMED = 20, 100  # up to how many classes the confusion matrix has counts, and all names
DARK, LIGHT, GREY, RED = "#1f4e8c", "#8fb0d9", "#777777", "#c0392b"


def plot_confusion(*, matrix: np.ndarray, class_names: Sequence[str], path: Path) -> None:
    """Confusion matrix (K, K), rows the true classes, colored by share of the row; counts and percent in the cells
    up to K = 20, a root scale beyond.

    The row of a class without examples is gray. With over 100 classes only some are named. The image is as large as
    the matrix and its names need.
    """
    k = len(matrix)
    support = matrix.sum(axis=1, keepdims=True)
    shares = np.ma.masked_array(matrix / np.maximum(support, 1), mask=np.broadcast_to(support == 0, matrix.shape))
    cell = _cell_size(k)
    side = k * cell
    figure = new_figure(side, side)
    axes = figure.add_axes((0, 0, 1, 1))
    colors = colormaps["Blues"].with_extremes(bad="#e4e4e4")
    # Without numbers in the cells, a root scale is what makes an error of one percent visible.
    norm = PowerNorm(1 if k <= NUMBERED else 0.5, vmin=0, vmax=1)
    image = axes.imshow(shares, cmap=colors, norm=norm, interpolation="nearest" if k <= NAMED else "antialiased")
    _name_classes(axes, class_names, cell)
    if k <= NUMBERED:
        _write_counts(axes, matrix, shares.filled(0))
    right, total = int(np.trace(matrix)), int(matrix.sum())
    axes.set_title(f"accuracy {100 * right / total:.1f}% ({right:,} of {total:,})", fontsize=10, loc="left")
    bar = figure.colorbar(image, cax=figure.add_axes((1 + 0.1 / side, 0, 0.12 / side, 1)), format=PercentFormatter(1))
    bar.set_label("share of the true class", fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)
    save_figure(figure, path, tight=True)


def plot_calibration(*, outcomes: Outcomes, path: Path) -> None:
    """Reliability diagram (Guo et al. 2017, figure 1): accuracy by confidence, and how many examples have it."""
    edges, count, correct, confidence = outcomes.reliability(BINS)
    filled = count > 0
    accuracy, mean = correct[filled] / count[filled], confidence[filled] / count[filled]
    centres, width = (edges[:-1] + edges[1:])[filled] / 2, 1 / BINS
    figure = new_figure(4.6, 5.4, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.bar(centres, accuracy, width, color=LIGHT, edgecolor="white", label="accuracy")
    # The gap between the bar and the mean confidence of its examples is what the calibration error adds up.
    upper.bar(centres, mean - accuracy, width * 0.5, bottom=accuracy, color=RED, alpha=0.45, label="gap to confidence")
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    error = outcomes.expected_calibration_error(BINS)
    upper.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    few = f"\nunreliable: only {len(outcomes.labels)} examples" if len(outcomes.labels) < FEW else ""
    upper.set_title(f"expected calibration error {error:.3f}{few}", fontsize=10, loc="left")
    upper.legend(loc="upper left", frameon=False, fontsize=8)
    lower.bar(centres, count[filled], width, color=DARK, edgecolor="white")
    lower.set(xlabel="confidence", ylabel="examples", yscale="log", ylim=(0.7, count.max() * 12))
    for x, n in zip(centres, count[filled], strict=True):
        lower.text(x, n * 1.3, f"{n:,}", ha="center", va="bottom", fontsize=6, rotation=90 if n >= 1000 else 0)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def worst_errors(outcomes: Outcomes) -> np.ndarray:
    """Rows of the wrong predictions the model was surest of, surest first: at most as many as the grid holds."""
    return ranked_errors(outcomes)[: GRID**2]


def ranked_errors(outcomes: Outcomes) -> np.ndarray:
    """Rows of all wrong predictions, the one the model was surest of first."""
    wrong = np.flatnonzero(~outcomes.correct)
    return wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")]


def plot_worst(
    *,
    images: np.ndarray,
    labels: Sequence[str],
    predictions: Sequence[str],
    confidences: Sequence[float],
    names: Sequence[str],
    path: Path,
) -> None:
    """A gallery of wrongly classified images (B, C, H, W) uint8, with true class, prediction, confidence and file
    name.
    """
    longest = max(
        (len(label) + len(predicted) for label, predicted in zip(labels, predictions, strict=True)), default=0
    )
    gap = " " if longest <= 14 else "\n"
    titles = [
        f"{shown(label, 22)}{gap}\N{RIGHTWARDS ARROW} {shown(predicted, 16)} ({confidence:.2f})"
        f"\n{shown(Path(name).name, 22)}"
        for label, predicted, confidence, name in zip(labels, predictions, confidences, names, strict=True)
    ]
    heading = "most confident errors: true \N{RIGHTWARDS ARROW} predicted (probability)"
    plot_gallery(images=images, titles=titles, heading=heading, path=path)


def plot_gallery(*, images: np.ndarray, titles: Sequence[str], heading: str, path: Path) -> None:
    """A grid of images (B, C, H, W) uint8 under their titles of one or more lines. heading: what the titles say.

    Three channels are shown as colors, any other number as the gray of their mean. Without images a line says that
    there is no error.
    """
    if len(images) == 0:
        figure = new_figure(5, 1.6)
        figure.text(0.5, 0.5, "Every example was predicted correctly.", ha="center", va="center", fontsize=12)
        save_figure(figure, path)
        return
    columns, rows = min(GRID, len(images)), math.ceil(len(images) / GRID)
    height = 1.7 * min(2.0, max(0.5, images.shape[2] / images.shape[3]))
    lines = max(title.count("\n") + 1 for title in titles)
    figure = new_figure(max(1.75 * columns, 3.5), (height + 0.14 + 0.14 * lines) * rows + 0.4, layout="constrained")
    figure.suptitle(heading, x=0.01, ha="left", fontsize=9, color=GREY)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, image, title in zip(grid, images, titles, strict=False):
        if len(image) != 3:
            image = np.repeat(image.mean(axis=0, keepdims=True).astype(np.uint8), 3, axis=0)
        axes.imshow(image.transpose(1, 2, 0))
        literal(axes.set_title(title, y=1.0, fontsize=8, pad=3))
    save_figure(figure, path)


def plot_attention(*, weights: np.ndarray, source: Sequence[str], target: Sequence[str], path: Path) -> None:
    """How much each generated token attended to each source token.

    weights: (U, S), rows sum to 1. source, target: S and U tokens.
    """
    figure = new_figure(2.6 + 0.32 * len(source), 1.6 + 0.26 * len(target), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source)), [shown(token, 20) for token in source], rotation=60, ha="left", fontsize=9)
    axes.set_yticks(range(len(target)), [shown(token, 20) for token in target], fontsize=9)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    axes.set(xlabel="source tokens", ylabel="generated tokens")
    axes.xaxis.set_label_position("top")
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02)
    bar.set_label("attention weight", fontsize=8)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        literal(label)
    save_figure(figure, path)


def draw_word_maps(maps: Mapping[str, np.ndarray], *, source: Sequence[str], target: Sequence[str]) -> bytes:
    """What each target word comes from, by several measures beside each other, as PNG: red for it, blue against it.

    maps: (U, S) by name, each row colored by its own strongest. source, target: S and U words.
    """
    figure = new_figure(len(maps) * (1.6 + 0.36 * len(source)), 1.6 + 0.28 * len(target), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(maps)))
    for place, ((name, values), axes) in enumerate(zip(maps.items(), panels, strict=True)):
        strongest = np.abs(values).max(axis=1, keepdims=True)
        axes.imshow(values / np.where(strongest > 0, strongest, 1), cmap="bwr", vmin=-1, vmax=1, aspect="auto")
        axes.set_xticks(range(len(source)), [shown(word, 20) for word in source], rotation=60, ha="left", fontsize=9)
        axes.set_yticks(range(len(target)), [shown(word, 20) for word in target] if not place else [], fontsize=9)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
        axes.set_xlabel(name, fontsize=9)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            literal(label)
    file = BytesIO()
    _choose_fonts(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")  # `undrawn_notes` says it
        figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()


def _cell_size(k: int) -> float:
    """Inches: room for a count, or for a line of small type, or what 11 inches leave."""
    if k <= 4:
        return 0.85
    if k <= NUMBERED:
        return 0.45 if k <= 10 else 0.38
    return max(0.11, 0.2 - k / 1000) if k <= NAMED else 11 / k


def _name_classes(axes: Axes, class_names: Sequence[str], cell: float) -> None:
    k = len(class_names)
    step = math.ceil(k / NAMED)
    font = 9 if k <= NUMBERED else max(5.5, 9 - k / 25)
    names = [shown(name, 28) for name in class_names[::step]]
    fits = max(map(len, names)) * font * 0.65 / 72 < cell * step
    axes.set_xticks(range(0, k, step), names, fontsize=font, rotation=0 if fits else 90)
    axes.set_yticks(range(0, k, step), names, fontsize=font)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        literal(text)
    axes.tick_params(length=0 if k <= NUMBERED else 2)
    axes.set(xlabel="predicted class", ylabel="true class")


def _write_counts(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    roomy = len(matrix) <= 4
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            share = shares[row, column]
            percent = f"{100 * share:.1f}%" if roomy else f"{100 * share:.0f}%"
            size = 10 if roomy else 6.5
            text, color = f"{count:,}\n{percent}", "white" if share > 0.5 else "k"
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=color, linespacing=1.1)


def shown(name: str, limit: int) -> str:
    """A class name on one line, cut in the middle when long: names often differ only at their ends."""
    name = " ".join(name.encode("utf-8", errors="replace").decode().split())
    if len(name) <= limit:
        return name
    head = limit // 2
    return f"{name[:head]}\N{HORIZONTAL ELLIPSIS}{name[len(name) - (limit - head - 1) :]}"


def literal(text: Text) -> None:
    """Shows a name as it is."""
    # Two dollar signs in a name would otherwise be read as a formula.
    text.set_parse_math(False)


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty figure of so many inches, apart from pyplot."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, *, tight: bool = False) -> None:
    """As PNG, atomically, in fonts that have the letters. tight: as large as what is drawn."""
    _choose_fonts(figure)
    with warnings.catch_warnings(), replacing(path) as file:
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .*missing from")  # `undrawn_notes` says it
        figure.savefig(file, format="png", dpi=DPI, bbox_inches="tight" if tight else None, pad_inches=0.12)


_UNDRAWN: set[str] = set()  # letters of the plots since the last note that no font has


def _choose_fonts(figure: Figure) -> None:
    """Gives texts that the usual font cannot write others besides."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text().isascii():
            continue
        lacking = fonts.missing(text.get_text(), findfont(text.get_fontproperties()))
        if lacking:
            found, nowhere = fonts.with_letters(lacking)
            text.set_fontfamily([*text.get_fontfamily(), *found])
            _UNDRAWN.update(nowhere)


def undrawn_notes() -> list[str]:
    """A line about letters of the plots saved since the last call that no installed font has."""
    letters = set(_UNDRAWN)
    _UNDRAWN.clear()
    return [fonts.note(letters)] if letters else []
