"""A run folder read for its report: whatever is there, and what is missing, in words. Imports no torch."""

import base64
import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sensorium.files import json_value
from sensorium.report_sections import Section, Table
from sensorium.reports import store
from sensorium.reports.evaluations import evaluation_sections
from sensorium.run_folder import RunFolder

# What a fallback shows of a run without report.json.
_TABLES = ("per_class.csv", "per_target.csv", "per_speaker.csv", "worst.csv")
_ROWS = 200  # of a table
_PLOTS = ("confusion", "calibration", "precision_recall", "predicted_vs_true", "worst")
_PLOTS_BUDGET = 1_900_000  # characters of plots
_EXPLANATIONS, _EXPLANATIONS_BUDGET = "explanations", 500_000
_SAMPLE = 1500  # characters of a sample of generated text


@dataclass(frozen=True)
class Figure:
    """An image file as a data: URI. name: of the file."""

    name: str
    uri: str


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Everything about one run. history: rows of metrics.csv. plots: of runs that have no sections of their own.

    missing: what is not there, a sentence each.
    """

    run: RunFolder
    config: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, float]] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    stored: store.Stored | None = None
    sections: Sequence[Section] = ()
    samples: Sequence[tuple[str, str]] = ()
    plots: Sequence[Figure] = ()
    explanations: Sequence[Figure] = ()
    missing: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Dataset, model and folder."""
        return f"{self.run.folder.resolve().parent.name}/{self.run.folder.resolve().name}"

    @property
    def seed(self) -> Any:
        return self.config.get("seed")


def read_run(run: RunFolder) -> RunFacts:
    """Reads what there is. Never raises for what a run lacks or for a file of it that is damaged."""
    missing: list[str] = []
    stored = _stored(run.folder, missing)
    metrics = _json(run.metrics, missing)
    summary = _json(run.summary, missing)
    if not summary:
        missing.append("The training has not ended: there is no summary.json. Curves are of the epochs so far.")
    elif not metrics:
        missing.append("No test metrics: the training ran with test=false, or ended before its test.")
    history = _history(run.history, missing)
    if not history:
        missing.append("No curves: metrics.csv has no finished epoch.")
    headline = str(stored.headline["name"]) if stored is not None and "name" in stored.headline else None
    evaluated = evaluation_sections(run.folder, headline, missing)
    return RunFacts(
        run=run,
        config=_yaml(run.config, missing),
        command=_text(run.folder / "command.txt").strip(),
        environment=_json(run.folder / "environment.json", missing),
        history=history,
        metrics={
            name: math.nan if value is None else value
            for name, value in metrics.items()
            if not name.startswith("val/")  # of the calibration, which has a table of its own
        },
        summary=summary,
        stored=stored,
        sections=[*(stored.sections if stored is not None else _tables(run.folder)), *evaluated],
        samples=_samples(run.folder),
        plots=() if stored is not None else figures(_plot_paths(run.folder), _PLOTS_BUDGET),
        explanations=figures(sorted((run.folder / _EXPLANATIONS).glob("*.png")), _EXPLANATIONS_BUDGET),
        missing=missing,
    )


def _stored(folder: Path, missing: list[str]) -> store.Stored | None:
    try:
        stored = store.read(folder)
    except (OSError, ValueError) as error:
        missing.append(f"{store.NAME} cannot be read ({error}): no examples and no sample inputs.")
        return None
    if stored is None:
        missing.append(
            f"No {store.NAME}: an earlier Sensorium trained this run, or it has not ended. No examples, no sample "
            "inputs and no class counts; tables and plots are those of the run folder."
        )
    return stored


def _json(path: Path, missing: list[str]) -> dict[str, Any]:
    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        missing.append(f"{path.name} cannot be read: {error}.")
        return {}
    return found if isinstance(found, dict) else {}


def _yaml(path: Path, missing: list[str]) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        missing.append(f"{path.name} cannot be read: {str(error).splitlines()[0]}.")
        return {}
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _history(path: Path, missing: list[str]) -> list[dict[str, float]]:
    """Cells that are no finite numbers are left out, as cells without a value are."""
    rows = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers = {key: _number(value) for key, value in row.items() if key}
                rows.append({key: value for key, value in numbers.items() if value is not None})
    except FileNotFoundError:
        return []
    except (OSError, ValueError, csv.Error) as error:
        missing.append(f"{path.name} cannot be read: {error}.")
    return [row for row in rows if "epoch" in row]


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _tables(folder: Path) -> list[Section]:
    """The tables of an evaluation, as its files have them."""
    found: list[Section] = []
    for name in _TABLES:
        try:
            with (folder / name).open(newline="", encoding="utf-8") as file:
                rows = [row for row, _ in zip(csv.reader(file), range(_ROWS + 1), strict=False)]
        except (OSError, ValueError, csv.Error):
            continue
        if len(rows) > 1:
            title = name.removesuffix(".csv").replace("_", " ").capitalize()
            note = f"The first {_ROWS} rows of {name}." if len(rows) > _ROWS else ""
            found.append(Table(title=title, columns=rows[0], rows=[_cells(row) for row in rows[1:]], note=note))
    return found


def _cells(row: Sequence[str]) -> list[str | float]:
    return [cell if (value := _number(cell)) is None else value for cell in row]


def _samples(folder: Path) -> list[tuple[str, str]]:
    """Of samples.txt, the first, a middle and the last one."""
    parts = [part for part in _text(folder / "samples.txt").split("--- ") if part.strip()]
    chosen = sorted({0, len(parts) // 2, len(parts) - 1}) if parts else []
    found = []
    for place in chosen:
        heading, _, body = parts[place].partition("\n")
        found.append((heading, body.strip()[:_SAMPLE]))
    return found


def _plot_paths(folder: Path) -> list[Path]:
    return [path for name in _PLOTS if (path := folder / "plots" / f"{name}.png").is_file()]


def figures(paths: Sequence[Path], budget: int) -> list[Figure]:
    """Images as a page holds them, as long as they fit into so many bytes together; those that are there."""
    found = []
    for path in paths:
        try:
            uri = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
        except OSError:
            continue
        if len(uri) <= budget:
            budget -= len(uri)
            found.append(Figure(path.name, uri))
    return found
