"""What a search says about its keys: how much each matters, and how settings and values go together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from sensorium.search.proposals import in_memory, quiet
from sensorium.search.study import Journal
from sensorium.tasks.plots import save_figure

FEWEST = 8  # completed trials, below which an importance would be noise
_SIZE = (9.0, 5.0)  # inches
_SHADES = 256  # of the lines
_MARGIN = 0.05  # of the height of an axis
_LEVEL = 6  # axes, beyond which their names are turned
_MOST_TICKS = 20  # of an axis of choices
_LONGEST = 28  # characters of a label
_LABEL: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "parse_math": False}
_BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}  # of a tick's label, which lines would strike through


def importances(journal: Journal) -> dict[str, float]:
    """The share of each key in what sets the best settings apart (PED-ANOVA, Watanabe 2023), the largest first; {} for
    fewer than FEWEST trials that were completed, and where all came to the same.
    """
    complete = [trial for trial in journal.trials() if trial.state == TrialState.COMPLETE]
    if len(complete) < FEWEST or len({trial.value for trial in complete}) == 1:
        return {}
    with quiet():
        found = get_param_importances(in_memory(complete), evaluator=PedAnovaImportanceEvaluator())
    return {name: float(share) for name, share in found.items()}


def draw_parallel(journal: Journal, path: Path, *, sign: int, monitor: str) -> int:
    """A line for each completed trial through the values of its keys to its result, the best the
    darkest. Returns how many there are; of fewer than two nothing is drawn.

    sign: -1 where lower is better, whose values are stored with their sign changed.
    """
    complete = [trial for trial in journal.trials() if trial.state == TrialState.COMPLETE and trial.value is not None]
    if len(complete) < 2:
        return 0
    columns = [_column(name, complete) for name in complete[0].params]
    results = [sign * float(trial.value or 0.0) for trial in complete]
    columns.append(of_numbers(monitor, results, log=False))
    figure = Figure(figsize=(max(_SIZE[0], 1.3 * len(columns)), _SIZE[1]))
    axes = figure.subplots()
    shades = matplotlib.colormaps["Blues"](np.linspace(0.25, 1, _SHADES))  # the worst trial: not white on white
    kept = ListedColormap(shades if sign > 0 else shades[::-1])
    paths = [list(enumerate(places)) for places in zip(*(column.places for column in columns), strict=True)]
    order = np.argsort([sign * value for value in results])  # the best on top
    lines = LineCollection([paths[place] for place in order], cmap=kept, linewidths=1.6, zorder=1)
    lines.set_array(np.array(results)[order])
    axes.add_collection(lines)
    for number, column in enumerate(columns):
        axes.axvline(number, color="black", linewidth=0.8, zorder=2)
        for place, label in column.ticks:
            axes.text(number, place, _cut(label), zorder=3, bbox=_BEHIND, **_LABEL)
    axes.set_xlim(-0.3, len(columns) - 0.7)
    axes.set_ylim(-_MARGIN, 1 + _MARGIN)
    axes.set_yticks([])
    axes.set_xticks(range(len(columns)), [_cut(column.name) for column in columns], parse_math=False)
    axes.tick_params(axis="x", length=0, pad=6, labelrotation=20 if len(columns) > _LEVEL else 0)
    axes.spines[:].set_visible(False)
    figure.colorbar(lines, ax=axes, label=monitor, pad=0.04)
    save_figure(figure, path, tight=True)
    return len(complete)


@dataclass(frozen=True)
class Column:
    """An axis. places: of each trial, from 0 at the bottom to 1. ticks: (place, label)."""

    name: str
    places: Sequence[float]
    ticks: Sequence[tuple[float, str]]


def _cut(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def _column(name: str, trials: Sequence[FrozenTrial]) -> Column:
    values = [trial.params[name] for trial in trials]
    distribution = trials[0].distributions[name]
    if isinstance(distribution, CategoricalDistribution):
        return of_choices(name, [str(value) for value in values], [str(value) for value in distribution.choices])
    whole = isinstance(distribution, IntDistribution)
    return of_numbers(name, values, log=bool(getattr(distribution, "log", False)), whole=whole)


def of_choices(name: str, values: Sequence[str], among: Sequence[str]) -> Column:
    """Evenly spaced, numbers by their size and before words."""
    choices = sorted(among, key=_size)
    places = {choice: (place + 0.5) / len(choices) for place, choice in enumerate(choices)}
    step = -(-len(choices) // _MOST_TICKS)
    return Column(name, [places[value] for value in values], [(places[one], one) for one in choices[::step]])


def _size(text: str) -> tuple[float, str]:
    try:
        value = float(text)
    except ValueError:
        return math.inf, text
    return (value if math.isfinite(value) else math.inf), text


def of_numbers(name: str, values: Sequence[float], *, log: bool, whole: bool = False) -> Column:
    """From the smallest to the largest; log: on a logarithmic scale; whole: with ticks at whole numbers."""
    scaled = np.log10(values) if log else np.asarray(values, dtype=float)
    low, high = float(scaled.min()), float(scaled.max())
    if low == high:
        return Column(name, [0.5] * len(values), [(0.5, f"{values[0]:.4g}")])
    if log and high - low >= 1:
        marks = [10.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    else:
        ends = (10**low, 10**high) if log else (low, high)
        marks = [float(mark) for mark in MaxNLocator(6, integer=whole).tick_values(*ends)]
    scale = (lambda mark: math.log10(mark) if mark > 0 else -math.inf) if log else float
    heights = [((scale(mark) - low) / (high - low), f"{mark:.6g}") for mark in marks]
    ticks = [(height, label) for height, label in heights if -1e-9 <= height <= 1 + 1e-9]
    return Column(name, [float(place) for place in (scaled - low) / (high - low)], ticks)
