"""sensorium list runs: the runs and searches below a folder, the newest first. No torch: it reads their small files."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.cli.listed_run import Listed
from sensorium.errors import RequestError, unknown
from sensorium.output import Record

# Where runs are below a folder: a place for all runs, the runs of one data set and model, the folder of a search.
_PLACES = ("*/config.yaml", "*/*/config.yaml", "*/sweep.json", "*/*/sweep.json", "trials/*/*/config.yaml")


@dataclass(frozen=True)
class Filter:
    """Which runs are wanted: of a dataset or model, with a metric, begun from one day (YYYY-MM-DD) to another; None for
    any.
    """

    dataset: str | None = None
    model: str | None = None
    metric: str | None = None
    since: str | None = None
    until: str | None = None

    def described(self) -> str:
        """What is wanted, behind "run": " with dataset=digits, started on or after 2026-01-31"."""
        names = [f"{key}={name}" for key in ("dataset", "model", "metric") if (name := getattr(self, key)) is not None]
        days = [
            f"on or {word} {day}" for word, day in (("after", self.since), ("before", self.until)) if day is not None
        ]
        named = f" with {' '.join(names)}" if names else ""
        return f"{named}{',' * bool(names and days)}{' started ' if days else ''}{' and '.join(days)}"


def list_runs(root: Path, wanted: Filter | None = None) -> list[Record]:
    """A record for each folder of a run or search in root or root/NAME/, of each trial where root is a search's folder;
    with a column of the metric that is asked for.

    Raises RequestError where there is no such folder, for a dataset, model or metric that no run has, and for days in
    the wrong order.
    """
    if not root.is_dir():
        raise RequestError(f"run_root={root}: there is no such folder; training creates it in the working directory.")
    wanted = wanted or Filter()
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        raise RequestError(f"since={wanted.since} is later than until={wanted.until}. Swap them.")
    folders = {path.parent for pattern in _PLACES for path in root.glob(pattern)}
    found = [Listed(folder) for folder in sorted(folders, key=lambda folder: (folder.name, folder), reverse=True)]
    for key, name in (("dataset", wanted.dataset), ("model", wanted.model)):
        if name is not None:
            found = _having(found, key, name, [run.named(key) for run in found])
    if wanted.metric is not None:
        found = _having(found, "metric", wanted.metric, [run.metrics for run in found], or_else=lambda run: run.damaged)
    return [
        run.record
        if wanted.metric is None
        else run.record | {wanted.metric: run.metrics.get(wanted.metric, run.damaged)}
        for run in _between(found, wanted.since, wanted.until)
    ]


def _having(
    runs: list[Listed],
    kind: str,
    name: str,
    names: list[Iterable[str]],
    *,
    or_else: Callable[[Listed], Any] = lambda _: False,
) -> list[Listed]:
    """Those that have a name among theirs; or_else: those that might have it. Raises RequestError when none has it."""
    kept = [name in of_run for of_run in names]
    if runs and not any(kept):
        raise unknown(f"run with {kind}", name, {one for of_run in names for one in of_run})
    return [run for run, is_kept in zip(runs, kept, strict=True) if is_kept or or_else(run)]


def _between(runs: list[Listed], since: str | None, until: str | None) -> Iterator[Listed]:
    for run in runs:
        if (since is None or run.day >= since) and (until is None or "" < run.day <= until):
            yield run
