"""The files that corrupt=true leaves: a table and JSON of every metric, and a plot of the headline metric."""

import math
from pathlib import Path

from sensorium.data.corrupted import SEVERITIES
from sensorium.files import write_csv, write_json
from sensorium.tasks.plots import GREY, new_figure, save_figure
from sensorium.tasks.robustness import Robustness

_MARKERS = "os^Dv<>P"


def write_robustness(folder: Path, found: Robustness) -> list[Path]:
    """Writes corruptions.csv, corruptions.json and plots/corruptions.png; returns their paths."""
    table, whole, plot = folder / "corruptions.csv", folder / "corruptions.json", folder / "plots" / "corruptions.png"
    names = list(found.clean)
    rows: list[list[object]] = [["corruption", "severity", "setting", *names]]
    rows.append(["none", 0, "", *found.clean.values()])
    for one in found.curves:
        for severity, setting, metrics in zip(SEVERITIES, one.settings, one.metrics, strict=True):
            rows.append([one.kind, severity, setting, *(metrics.get(name) for name in names)])
    write_csv(table, rows)
    write_json(whole, found.to_dict())
    plot_robustness(found, plot)
    return [table, whole, plot]


def plot_robustness(found: Robustness, path: Path) -> None:
    """A line for each corruption, from the examples without any at severity 0."""
    name = found.headline.name
    clean = math.nan if found.clean_value is None else found.clean_value
    figure = new_figure(5.6, 3.4, layout="constrained")
    axes = figure.subplots()
    axes.axhline(clean, color=GREY, linewidth=1, linestyle="--")
    for one, marker in zip(found.curves, _MARKERS, strict=False):
        values = [math.nan if value is None else value for value in one.values(name)]
        axes.plot((0, *SEVERITIES), [clean, *values], marker=marker, markersize=4, label=one.kind)
    axes.set_xlabel("severity (0: no corruption)", fontsize=8)
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_title(f"{name} of {found.examples:,} examples by severity of corruption", fontsize=9, loc="left")
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
