"""report.html: what there is about a run, or about several, as one page that loads nothing. Imports no torch."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import sensorium
from sensorium.files import write_atomically
from sensorium.report_sections import Gallery, Matrix, Section, Table
from sensorium.reports import charts, compare
from sensorium.reports.curves import history_charts
from sensorium.reports.read import RunFacts, figures, read_run
from sensorium.reports.words import cell, count, duration, ending, named, valued, written_number
from sensorium.run_folder import RunFolder

NAME = "report.html"
MOST_CLASSES = 40  # of a confusion matrix that is shown whole
_CONFUSIONS = 25  # pairs of classes that are shown of a larger one
SHADES = 10
_PLOT_BYTES = 5_000_000


def write_run(run: RunFolder, path: Path) -> Path:
    """The report of one run, written to a path."""
    write_atomically(path, render_run(read_run(run)))
    return path


def render_run(facts: RunFacts) -> str:
    """The page of one run."""
    stored, summary = facts.stored, facts.summary
    dataset, model = facts.config.get("dataset_name", ""), facts.config.get("model_name", "")
    return (
        _environment()
        .get_template("run.html.jinja")
        .render(
            facts=facts,
            stored=stored,
            title=f"{dataset} \N{MULTIPLICATION SIGN} {model}" if dataset else facts.name,
            headline=_headline(facts),
            tiles=_tiles(facts),
            curves=[charts.draw(chart) for chart in history_charts(facts.history, summary)],
            metrics=_metrics(facts),
            speed=_speed(facts),
            config=yaml.safe_dump(dict(facts.config), sort_keys=False, allow_unicode=True) if facts.config else "",
            environment=_environment_rows(facts.environment),
            **_assets(),
        )
    )


def write_comparison(runs: Sequence[RunFolder], path: Path) -> Path:
    """The report of several runs side by side, written to a path."""
    write_atomically(path, render_comparison([read_run(run) for run in runs]))
    return path


def render_comparison(runs: Sequence[RunFacts]) -> str:
    """The page of several runs."""
    labels = compare.labels(runs)
    return (
        _environment()
        .get_template("comparison.html.jinja")
        .render(
            runs=list(zip(labels, runs, strict=True)),
            title=f"{len(runs)} runs compared",
            differences=compare.config_differences(runs),
            metrics=compare.metric_rows(runs),
            pairs=compare.pairs(runs, labels),
            pooled=compare.pooled(runs, labels),
            curves=[charts.draw(chart) for chart in compare.curve_charts(runs, labels)],
            **_assets(),
        )
    )


@dataclass(frozen=True, kw_only=True)
class SweepFacts:
    """What the page of a search shows. headline: value, name and a note; {} for none. settings: a row for each trial,
    pages: the page that each leads to, from the folder of this one, or ""; best: the row of the best one. plots: with
    their captions. commands: a title and a line.
    """

    name: str
    title: str
    headline: Mapping[str, str]
    tiles: Sequence[tuple[str, str]]
    settings: Table
    pages: Sequence[str]
    best: int | None
    sections: Sequence[Section]
    plots: Mapping[Path, str]
    commands: Sequence[tuple[str, str]]


def write_sweep(facts: SweepFacts, path: Path) -> Path:
    """The report of a search, written to a path."""
    template = _environment().get_template("sweep.html.jinja")
    captions = {plot.name: caption for plot, caption in facts.plots.items()}
    plots = [(plot, captions[plot.name]) for plot in figures(list(facts.plots), _PLOT_BYTES)]
    shown = {"facts": facts, "title": facts.title, "plots": plots}
    write_atomically(path, template.render(**shown, **_assets()))
    return path


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sensorium.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(kind=_kind, matrix=_matrix, draw=charts.draw, count=count)
    environment.filters.update(
        cell=cell,
        named=named,
        duration=duration,
        ending=ending,
        percent=lambda value: f"{100 * value:.0f}%",
        written_number=written_number,
    )
    return environment


def _assets() -> dict[str, Any]:
    """Style and script with their digests, by which the page's policy lets them and nothing else run."""
    folder = Path(__file__).parent
    found: dict[str, Any] = {"version": sensorium.__version__}
    for name, file in (("style", "report.css"), ("script", "report.js")):
        text = (folder / file).read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        found |= {name: Markup(text), f"{name}_digest": f"sha256-{digest}"}
    return found


# -- parts of a page


def _headline(facts: RunFacts) -> dict[str, str]:
    """The one number of a run, with its interval and its baseline."""
    stored = facts.stored
    if stored is not None and stored.headline:
        found = stored.headline
        name = str(found["name"])
        line = {"name": f"test {named(name)}", "value": valued(name, found["value"]), "interval": "", "baseline": ""}
        if "low" in found:
            line["interval"] = f"95% interval {valued(name, found['low'])} to {valued(name, found['high'])}"
        if "baseline" in found:
            line["baseline"] = f"{found['baseline']} would score {valued(name, found['baseline_value'])}"
        return line
    name = facts.summary.get("headline", "")
    if name in facts.metrics:
        value = valued(name, facts.metrics[name])
        return {"name": f"test {named(name)}", "value": value, "interval": "", "baseline": ""}
    name, best = facts.summary.get("monitor", ""), facts.summary.get("best")
    if name and isinstance(best, int | float):
        why = "by which the checkpoint was chosen; not tested"
        return {"name": f"validation {named(name)}", "value": valued(name, best), "interval": why, "baseline": ""}
    return {}


def _tiles(facts: RunFacts) -> list[tuple[str, str]]:
    summary, tiles = facts.summary, []
    if facts.stored is not None:
        tiles.append(("task", facts.stored.task))
    if "parameters" in summary:
        tiles.append(("parameters", f"{summary['parameters']:,}"))
    if "epochs" in summary:
        best = summary.get("best_epoch")
        tiles.append(("epochs", f"{summary['epochs']}" + (f" (best: {best})" if best else "")))
    if "seconds" in summary:
        tiles.append(("training time", duration(float(summary["seconds"]))))
    if facts.seed is not None:
        tiles.append(("seed", str(facts.seed)))
    return tiles


def _metrics(facts: RunFacts) -> list[tuple[str, str, str]]:
    """Name, value and interval of each test metric."""
    headline = facts.stored.headline if facts.stored is not None else {}
    intervals = dict(facts.stored.intervals) if facts.stored is not None else {}
    if "low" in headline:
        intervals[headline["name"]] = (headline["low"], headline["high"])
    rows = []
    for name, value in facts.metrics.items():
        ends = intervals.get(name.rpartition("/")[2])
        interval = f"{valued(name, ends[0])} to {valued(name, ends[1])}" if ends else ""
        rows.append((named(name), valued(name, value), interval))
    return rows


def _speed(facts: RunFacts) -> list[tuple[str, str]]:
    rows = []
    if facts.stored is not None and facts.stored.epochs:
        seconds = sorted(float(one[0]) for one in facts.stored.epochs)
        speeds = sorted(float(one[1]) for one in facts.stored.epochs)
        unit = str(facts.stored.epochs[0][2])
        rows.append(("median epoch, validation included", duration(seconds[len(seconds) // 2])))
        rows.append((f"{unit} per second (median over epochs)", f"{speeds[len(speeds) // 2]:,.0f}"))
    if "seconds" in facts.summary:
        rows.append(("whole training, loading included", duration(float(facts.summary["seconds"]))))
    return rows


def _environment_rows(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [(str(key).replace("_", " "), value) for key, value in found.items() if key != "packages"]
    packages = found.get("packages")
    rows += list(packages.items()) if isinstance(packages, Mapping) else []
    return [(str(key), ", ".join(map(str, value)) if isinstance(value, list) else str(value)) for key, value in rows]


@dataclass(frozen=True)
class MatrixView:
    """A confusion matrix as a table: rows of (count, shade from 0 to SHADES); or, of many classes, the pairs that are
    confused most: (true, predicted, count, share of the true class).
    """

    rows: Sequence[tuple[str, Sequence[tuple[int, int]]]]
    confusions: Sequence[tuple[str, str, int, float]]


def _matrix(section: Matrix) -> MatrixView:
    totals = [sum(row) for row in section.counts]
    if len(section.names) > MOST_CLASSES:
        pairs = [
            (section.names[i], section.names[j], value, value / totals[i])
            for i, row in enumerate(section.counts)
            for j, value in enumerate(row)
            if i != j and value
        ]
        return MatrixView((), sorted(pairs, key=lambda pair: -pair[2])[:_CONFUSIONS])
    rows = [
        (name, [(value, math.ceil(SHADES * value / total) if total else 0) for value in row])
        for name, row, total in zip(section.names, section.counts, totals, strict=True)
    ]
    return MatrixView(rows, ())


def _kind(section: Section) -> str:
    filtered = isinstance(section, Gallery) and section.filtered
    return "browser" if filtered else type(section).__name__.lower()
