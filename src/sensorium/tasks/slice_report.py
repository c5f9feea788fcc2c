"""The files that slices leave: a table of every group, and a plot of the headline metric."""

from pathlib import Path

from sensorium.files import write_csv
from sensorium.tasks.plots import DARK, GREY, RED, literal, new_figure, save_figure, shown
from sensorium.tasks.slices import FEW, Slices

_LONGEST = 28  # characters of a group's name


def write_slices(folder: Path, found: Slices) -> list[Path]:
    """Writes slices.csv and plots/slices.png; returns their paths."""
    table, plot = folder / "slices.csv", folder / "plots" / "slices.png"
    records = found.records()
    write_csv(table, [list(records[0]), *(list(record.values()) for record in records)])
    plot_slices(found, plot)
    return [table, plot]


def plot_slices(found: Slices, path: Path) -> None:
    """A point and its 95% interval for each group, over a line for all examples; the worst one in red, small ones
    hollow.
    """
    name = found.headline.name
    drawn = [one for one in found.slices if name in one.metrics]
    figure = new_figure(5.6, 1.1 + 0.26 * max(2, len(drawn)), layout="constrained")
    axes = figure.subplots()
    if name in found.whole.metrics:
        axes.axvline(found.whole.metrics[name], color=GREY, linewidth=1, linestyle="--", label="all examples")
    for place, one in enumerate(drawn):
        color = RED if one is found.worst else DARK
        if one.interval:
            axes.plot(one.interval, (place, place), color=color, linewidth=1.6)
        axes.plot(
            one.metrics[name], place, "o", color=color, markersize=5, markerfacecolor="white" if one.few else color
        )
    labels = [f"{shown(one.group, _LONGEST)} ({one.size:,})" for one in drawn]
    axes.set_yticks(range(len(drawn)), labels, fontsize=7)
    for label in axes.get_yticklabels():
        literal(label)
    axes.invert_yaxis()
    axes.set_xlabel(f"{name} (95% interval)", fontsize=8)
    axes.tick_params(axis="x", labelsize=7)
    few = f"; hollow: under {FEW} examples" if any(one.few for one in drawn) else ""
    title = axes.set_title(f"{name} by {shown(found.by, _LONGEST)} (examples){few}", fontsize=9, loc="left")
    literal(title)
    if name in found.whole.metrics:
        axes.legend(fontsize=7, frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)
