"""sensorium list runs: the runs and searches below a folder, the newest first. No torch: it reads their small files."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sensorium.errors import RequestError, unknown
from sensorium.files import json_value
from sensorium.output import Record
from sensorium.run_folder import RunFolder
from sensorium.search.folder import SweepFolder


@dataclass(frozen=True)
class Filter:
    """Which runs are wanted: of a dataset, with a metric, begun from one day (YYYY-MM-DD) to another; None for any."""

    dataset: str | None = None
    metric: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True)
class _Listed:
    """A run or search, of which no file is read before it is asked for."""

    folder: Path

    @property
    def day(self) -> str:
        """On which it began, by the name of its folder; "" where that was renamed."""
        found = re.match(r"\d{4}-\d\d-\d\d", self.folder.name)
        return found[0] if found else ""

    @cached_property
    def datasets(self) -> set[str]:
        """As config.yaml names them: several where a search tries several."""
        configs = [self.folder / "config.yaml", *self.folder.glob("trials/**/config.yaml")]
        found = [re.search(r"^dataset_name: *(\S+)", _text(path), re.MULTILINE) for path in configs]
        return {match[1].strip("'\"") for match in found if match}

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """What it has measured: the metric that chose the best checkpoint at its best, others of validation in their
        last epoch, those of the test split.
        """
        folder = RunFolder(self.folder)
        metrics: dict[str, float | None] = {}
        *_, last = [{}, *csv.DictReader(_text(folder.history).splitlines())]
        metrics |= {name: _number(value) for name, value in last.items() if name and "/" in name}
        metrics |= {name: _number(value) for name, value in _read(folder.metrics).items()}
        return metrics | ({self.summary["monitor"]: self.best} if "monitor" in self.summary else {})

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Of its end; {} where it has not ended."""
        return _read(RunFolder(self.folder).summary)

    @property
    def best(self) -> float | None:
        """Of the metric that chose the best checkpoint, or the best trial."""
        return _number(self.summary.get("best"))

    @property
    def record(self) -> Record:
        """A row of the table."""
        summary = self.summary
        if SweepFolder(self.folder).request.exists():
            length: Any = f"{summary['trials']} trials" if "trials" in summary else ""
        else:
            length = summary.get("epochs", "")
        headline = summary.get("headline", "")
        unfinished = "batch preview" if RunFolder(self.folder).batch.exists() else "not finished"
        return {
            "run": str(self.folder),
            "epochs": length,
            "validation": _shown(summary.get("monitor", ""), self.best),
            "test": _shown(headline, self.metrics.get(headline)),
            "seconds": summary.get("seconds", unfinished),
        }


def list_runs(root: Path, wanted: Filter | None = None) -> list[Record]:
    """A record for each folder of a run or search in root/NAME/, with a column of the metric that is asked for.

    Raises RequestError where there is no such folder, and for a dataset or metric that no run has.
    """
    if not root.is_dir():
        raise RequestError(f"run_root={root}: there is no such folder; training creates it in the working directory.")
    wanted = wanted or Filter()
    folders = {path.parent for pattern in ("*/*/config.yaml", "*/*/sweep.json") for path in root.glob(pattern)}
    found = [_Listed(folder) for folder in sorted(folders, key=lambda folder: (folder.name, folder), reverse=True)]
    if wanted.dataset is not None:
        found = _having(found, "dataset", wanted.dataset, [run.datasets for run in found])
    if wanted.metric is not None:
        found = _having(found, "metric", wanted.metric, [run.metrics for run in found])
    return [
        run.record if wanted.metric is None else run.record | {wanted.metric: run.metrics[wanted.metric]}
        for run in _between(found, wanted.since, wanted.until)
    ]


def _having(runs: list[_Listed], kind: str, name: str, names: list[Iterable[str]]) -> list[_Listed]:
    """Those that have a name among theirs. Raises RequestError with what there is when none has."""
    kept = [run for run, of_run in zip(runs, names, strict=True) if name in of_run]
    if runs and not kept:
        raise unknown(f"run with {kind}", name, {one for of_run in names for one in of_run})
    return kept


def _between(runs: list[_Listed], since: str | None, until: str | None) -> Iterator[_Listed]:
    for run in runs:
        if (since is None or run.day >= since) and (until is None or "" < run.day <= until):
            yield run


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _read(path: Path) -> dict[str, Any]:
    """A JSON file of a run; nothing where the training has not written it, or was killed while it did."""
    try:
        found = json_value(_text(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _shown(name: str, value: float | None) -> str:
    return f"{name} {value:.4f}" if name and value is not None else ""
