"""What the small files of one run or search say, and which of them cannot be read. No torch."""

import csv
import re
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.annotations import is_number, is_whole
from sensorium.cli.rules import LARGEST, MOST
from sensorium.files import json_value
from sensorium.output import Record
from sensorium.run_folder import RunFolder
from sensorium.search.folder import SweepFolder


class _Content(NamedTuple):
    """What a file says; problem: why it says nothing, in words for the table."""

    values: Mapping[str, Any]
    problem: str = ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return is_whole(value) and 0 <= value <= MOST


def _is_measured(value: Any) -> bool:
    return is_number(value) and abs(value) <= LARGEST


def _is_measured_or_none(value: Any) -> bool:
    return value is None or _is_measured(value)


# What the values of a summary.json are, of a run and of a search.
_SUMMARY = {
    "monitor": _is_text,
    "headline": _is_text,
    "best": _is_measured_or_none,
    "seconds": _is_measured,
    **dict.fromkeys(("epochs", "trials", "wanted"), _is_count),
    "best_trial": lambda value: value is None or _is_count(value),
}


@dataclass(frozen=True)
class Listed:
    """A run or search, of which no file is read before it is asked for. Damaged files are told in words."""

    folder: Path

    @property
    def is_search(self) -> bool:
        return SweepFolder(self.folder).request.exists()

    @property
    def day(self) -> str:
        """On which it began, by the name of its folder, of a trial by that of its search; "" where that was renamed."""
        found = re.search(r"(?:^|/)(\d{4}-\d\d-\d\d)[^/]*(?:/(?:trials|comparison)/.*)?$", str(self.folder.absolute()))
        return found[1] if found else ""

    def named(self, key: str) -> set[str]:
        """The choices of a group that config.yaml names (dataset, model): several where a search tries several."""
        configs = [self.folder / "config.yaml", *(run / "config.yaml" for run in _trials(self.folder))]
        found = [re.search(rf"^{key}_name: *(\S+)", _text(path), re.MULTILINE) for path in configs]
        return {match[1].strip("'\"") for match in found if match}

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """What it has measured: the metric that chose the best checkpoint at its best, others of validation in their
        last epoch, those of the test split. Of a search: what its trials have, with the values of the best one (the
        means of its repeats); None where that is not known yet.
        """
        if self.is_search:
            trials = [Listed(path) for path in _trials(self.folder)]
            number = self.summary.get("best_trial")
            chosen = SweepFolder(self.folder).trial(number) if number is not None else None
            best = [trial.metrics for trial in trials if chosen in (trial.folder, trial.folder.parent)]
            names = dict.fromkeys(name for trial in trials for name in trial.metrics)
            found = {name: _mean([of_run.get(name) for of_run in best]) for name in names}
        else:
            found = {name: _number(value) for name, value in self._history.values.items() if name and "/" in name}
            found |= self._metrics.values
        return found | ({self.summary["monitor"]: self.best} if self.summary.get("monitor") else {})

    @property
    def damaged(self) -> str:
        """Which of the files that have metrics cannot be read, in words; "" for none."""
        return next(filter(None, (file.problem for file in (self._summary, self._metrics, self._history))), "")

    @property
    def summary(self) -> Mapping[str, Any]:
        """Of its end, of a search so far; {} where there is none, or where that cannot be read."""
        return self._summary.values

    @cached_property
    def _summary(self) -> _Content:
        return _read(RunFolder(self.folder).summary, lambda key, value: _SUMMARY.get(key, lambda _: True)(value))

    @cached_property
    def _metrics(self) -> _Content:
        return _read(RunFolder(self.folder).metrics, lambda _, value: _is_measured_or_none(value))

    @cached_property
    def _history(self) -> _Content:
        return _read_last_row(RunFolder(self.folder).history)

    @property
    def best(self) -> float | None:
        """Of the metric that chose the best checkpoint, or the best trial."""
        return _number(self.summary.get("best"))

    @property
    def record(self) -> Record:
        """A row of the table; a damaged file is named in place of its numbers."""
        summary = self.summary
        headline = summary.get("headline", "")
        unfinished = "batch preview" if RunFolder(self.folder).batch.exists() else "not finished"
        unfinished = self._ended_as() or unfinished
        return {
            "run": str(self.folder),
            "epochs": self._trials_done() if self.is_search else self._epochs_done(),
            "validation": _shown(summary.get("monitor", ""), self.best),
            "test": self._metrics.problem or _shown(headline, self._metrics.values.get(headline)),
            "seconds": self._summary.problem or summary.get("seconds", unfinished),
        }

    def _ended_as(self) -> str:
        """pruned or failed, where the table of the search that it is a trial of says so; "" otherwise."""
        trials = next((above for above in self.folder.parents[:2] if above.name == "trials"), None)
        if trials is None:
            return ""
        number = self.folder.relative_to(trials).parts[0]
        rows = csv.DictReader(_text(SweepFolder(trials.parent).table).splitlines())
        states = [row.get("state") or "" for row in rows if f"{row.get('trial'):0>4}" == number]
        return next((state for state in states if state in ("pruned", "failed")), "")

    def _trials_done(self) -> str:
        summary = self.summary
        if "trials" not in summary:
            return ""
        done, wanted = summary["trials"], summary.get("wanted", summary["trials"])
        return f"{done} trials" if done >= wanted else f"{done} of {wanted} trials"

    def _epochs_done(self) -> int | str:
        if "epochs" in self.summary:
            return int(self.summary["epochs"])
        done = self._history.values.get("epoch", "")
        wanted = re.search(r"^ +max_epochs: *(\d+) *$", _text(self.folder / "config.yaml"), re.MULTILINE)
        return f"{done} of {wanted[1]}" if wanted and re.fullmatch(r"\d{1,10}", done) else ""


def _trials(folder: Path) -> list[Path]:
    """The run folders of a search, by number: with repeats several of a trial."""
    found = [
        path.parent for pattern in ("*/config.yaml", "*/*/config.yaml") for path in folder.glob(f"trials/{pattern}")
    ]
    return sorted(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _read(path: Path, fits: Callable[[str, Any], bool]) -> _Content:
    """A JSON file of a run; nothing where the training has not written it."""
    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _Content({})
    except (OSError, ValueError):
        return _damaged(path)
    if not isinstance(found, dict) or not all(fits(key, value) for key, value in found.items()):
        return _damaged(path)
    return _Content(found)


def _read_last_row(path: Path) -> _Content:
    """Of metrics.csv, cells as texts; nothing before the first epoch has ended."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            *_, last = [{}, *csv.DictReader(file)]
    except FileNotFoundError:
        return _Content({})
    except (OSError, ValueError, csv.Error):
        return _damaged(path)
    return _Content({name: cell for name, cell in last.items() if isinstance(name, str) and isinstance(cell, str)})


def _damaged(path: Path) -> _Content:
    return _Content({}, f"{path.name} cannot be read")


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _shown(name: str, value: float | None) -> str:
    return f"{name} {value:.4f}" if name and value is not None else ""
