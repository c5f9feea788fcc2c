"""What a search says about its keys: how much each matters, and how settings and values go together."""

from pathlib import Path

import numpy as np
import optuna
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial
from optuna.visualization.matplotlib import plot_parallel_coordinate

from sensorium.search.proposals import in_memory, quiet
from sensorium.search.study import Journal
from sensorium.tasks.plots import save_figure

FEWEST = 8  # trials trained to their end, below which an importance would be noise
_SIZE = (9.0, 5.0)  # inches
_SHADES = 256  # of the lines
_MARGIN = 0.05  # of the height of an axis


def importances(journal: Journal) -> dict[str, float]:
    """The share of each key in what sets the best settings apart (PED-ANOVA, Watanabe 2023), the largest first; {} for
    fewer than FEWEST trials that were trained to their end, and where all came to the same.
    """
    complete = [trial for trial in journal.trials() if trial.state == TrialState.COMPLETE]
    if len(complete) < FEWEST or len({trial.value for trial in complete}) == 1:
        return {}
    with quiet():
        found = get_param_importances(in_memory(complete), evaluator=PedAnovaImportanceEvaluator())
    return {name: float(share) for name, share in found.items()}


def draw_parallel(journal: Journal, path: Path, *, sign: int, monitor: str) -> bool:
    """A line for each trial through the values of its keys, colored by its result. Returns whether there was one.

    sign: -1 where lower is better, whose values are stored with their sign changed.
    """
    complete = [trial for trial in journal.trials() if trial.state == TrialState.COMPLETE]
    if len(complete) < 2:
        return False
    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    try:
        with quiet():
            study = optuna.create_study(direction="maximize" if sign > 0 else "minimize")
            study.add_trials([_as_measured(trial, sign) for trial in complete])
            axes = plot_parallel_coordinate(study, target_name=monitor)  # the best is the darkest
        figure = axes.figure
        assert isinstance(figure, Figure)
        figure.set_size_inches(*_SIZE)
        axes.set_title("Settings and their values")
        _widen(figure)
        _darken(axes)
        save_figure(figure, path, tight=True)
        pyplot.close(figure)
    finally:
        pyplot.switch_backend(before)
    return True


def _widen(figure: Figure) -> None:
    """Room above and below on each axis alike: the best and the worst trial would lie on the frame."""
    for axes in figure.axes:
        if axes.get_label() != "<colorbar>":
            scale = axes.yaxis.get_transform()
            low, high = scale.transform(axes.get_ylim())
            margin = _MARGIN * (high - low)
            axes.set_ylim(*scale.inverted().transform([low - margin, high + margin]))


def _darken(axes: Axes) -> None:
    """Colors of lines without the lightest quarter: the worst trial would be white on white."""
    for lines in axes.collections:
        colors = lines.get_cmap()(np.linspace(0, 1, _SHADES))
        if colors[0, :3].sum() > colors[-1, :3].sum():
            kept = colors[_SHADES // 4 :]
        else:
            kept = colors[: -_SHADES // 4]
        lines.set_cmap(ListedColormap(kept))


def _as_measured(trial: FrozenTrial, sign: int) -> FrozenTrial:
    value = sign * float(trial.value or 0.0)
    return create_trial(value=value, params=trial.params, distributions=trial.distributions)
