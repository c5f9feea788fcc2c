"""The settings of a sweep, each with its repeats, as rows of its table; and the best of them."""

import math
import shlex
import statistics
from dataclasses import dataclass
from typing import Any

from sensorium import output
from sensorium.data.base import counted
from sensorium.runs import unquoted
from sensorium.search.space import REPEATS

WIDTH = 100  # columns that the table takes where it can


def optional_columns(groups: list["Group"]) -> list[str]:
    """Columns that are in sweep.csv at any rate: test metrics but the headline, the last first."""
    names = dict.fromkeys(name for group in groups for job in group.jobs for name in job.get("metrics", ()))
    return [name for name in reversed(names) if name not in {group.headline for group in groups}]


def narrowed(records: list[output.Record], *, optional: list[str], width: int = WIDTH) -> list[output.Record]:
    """Records for a screen: without run folders, and without as many of the optional columns as it takes to fit."""
    dropped = {"run"}
    for name in ["", *optional]:
        dropped.add(name)
        shown = [{key: value for key, value in record.items() if key not in dropped} for record in records]
        columns = dict.fromkeys(key for record in shown for key in record)
        cells = {key: [key, *(output.shown(record.get(key, ""), key) for record in shown)] for key in columns}
        if sum(max(map(len, texts)) + 2 for texts in cells.values()) - 2 <= width:
            break
    return shown


@dataclass(frozen=True)
class Group:
    """Jobs of a sweep that differ in REPEATS only. varied: what tells the groups apart, by key."""

    varied: dict[str, str]
    jobs: list[dict[str, Any]]

    @property
    def _finished(self) -> list[dict[str, Any]]:
        return [job["summary"] for job in self.jobs if job.get("summary")]

    @property
    def monitor(self) -> str:
        """The validation metric that the task monitors."""
        return str(self._finished[0]["monitor"])

    @property
    def headline(self) -> str:
        """The test metric that models of the task are compared by."""
        return str(self._finished[0]["headline"]) if self._finished else ""

    @property
    def higher_is_better(self) -> bool:
        return self._finished[0]["mode"] == "max"

    def validation(self) -> float | None:
        """The mean of the best values of the monitored metric; None when no run has one."""
        values = self._validations()
        return statistics.mean(values) if values else None

    def _validations(self) -> list[float]:
        values = [summary["best"] for summary in self._finished]
        return [value for value in values if value is not None and math.isfinite(value)]

    @property
    def is_complete(self) -> bool:
        """Whether every repeat has a validation result."""
        return len(self._validations()) == len(self.jobs)

    def record(self) -> output.Record:
        """A row of the table on a screen: validation and test as means with deviations, parameters, seconds, runs."""
        found = {name: _mean(values, name) for name, values in self._measured().items()}
        return {**self._repeats(), **found, **self._costs(" ")}

    def numbers(self) -> output.Record:
        """A row of sweep.csv: the same in full precision. METRIC is the mean over n trainings, METRIC_std the sample
        standard deviation of several; run has a path for each repeat, with a semicolon between them.
        """
        record = {**self._repeats(), "n": len(self._validations())}
        for name, values in self._measured().items():
            record[name] = statistics.mean(values)
            if len(values) > 1:
                record[f"{name}_std"] = statistics.stdev(values)
        return {**record, **self._costs(";")}

    def _repeats(self) -> output.Record:
        overrides = [_keys(job) for job in self.jobs]
        record: output.Record = dict(self.varied)
        record["seed"] = ", ".join(dict.fromkeys(item.get("seed", "0") for item in overrides))
        if folds := [item["dataset.fold"] for item in overrides if "dataset.fold" in item]:
            record["fold"] = ", ".join(dict.fromkeys(folds))
        return record

    def _measured(self) -> dict[str, list[float]]:
        """The values of each metric that is defined: that of validation, the headline, the others as they come."""
        found = {self.monitor: values} if (values := self._validations()) else {}
        tested = [
            {name: value for name, value in job["metrics"].items() if value is not None}  # null: not finite
            for job in self.jobs
            if job.get("metrics")
        ]
        names = dict.fromkeys(name for metrics in tested for name in metrics)
        for name in sorted(names, key=lambda name: name != self.headline):
            found[name] = [metrics[name] for metrics in tested if name in metrics]
        return found

    def _costs(self, separator: str) -> output.Record:
        """What stands behind the metrics; of seconds the mean, one decimal."""
        record: output.Record = {}
        if self._finished:
            record["parameters"] = self._finished[0]["parameters"]
            record["seconds"] = round(statistics.mean(summary["seconds"] for summary in self._finished), 1)
        record["run"] = separator.join(job["run"] for job in self.jobs if "run" in job)
        if errors := [job["error"] for job in self.jobs if "error" in job]:
            record["failed"] = errors[0].splitlines()[0]
        return record

    def described(self) -> str:
        """What is special about it, and its validation result."""
        name = " ".join(f"{key}={value}" for key, value in self.varied.items())
        values = self._validations()
        return f"{name}  {_mean(values, self.monitor)}  ({counted(len(values), 'run')})".lstrip()

    def command(self) -> str:
        """The line that trains it again, all repeats of it."""
        overrides = [_keys(job) for job in self.jobs]
        changing = {key for key in REPEATS if len({item.get(key) for item in overrides}) > 1}
        fixed = [unquoted(item) for key, item in _written(self.jobs[0]).items() if key not in changing]
        swept = [
            f"{key}={','.join(dict.fromkeys(item[key] for item in overrides))}" for key in REPEATS if key in changing
        ]
        return shlex.join(["sensorium", "train", *(["-m"] if swept else []), *fixed, *swept])


def grouped(jobs: list[dict[str, Any]]) -> list[Group]:
    """Jobs that differ in seed and fold only make one group."""
    parsed = [_keys(job) for job in jobs]
    names = list(dict.fromkeys(name for item in parsed for name in item if name not in REPEATS))
    varied = [name for name in names if len({item.get(name) for item in parsed}) > 1]
    members: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for job, item in zip(jobs, parsed, strict=True):
        members.setdefault(tuple(item.get(name, "") for name in varied), []).append(job)
    return [Group(dict(zip(varied, key, strict=True)), group) for key, group in members.items()]


def best(groups: list[Group]) -> Group | None:
    """The group with the best mean of the validation metric that its task monitors; never by test results.

    Groups in which every repeat finished come before those with failures.
    """
    measured = [group for group in groups if group.validation() is not None]
    measured = [group for group in measured if group.is_complete] or measured
    comparable = [group for group in measured if group.monitor == measured[0].monitor]
    if not comparable:
        return None
    sign = 1 if comparable[0].higher_is_better else -1
    return max(comparable, key=lambda group: sign * (group.validation() or 0.0))


def _keys(job: dict[str, Any]) -> dict[str, str]:
    return dict(item.lstrip("+").partition("=")[::2] for item in job["overrides"])


def _written(job: dict[str, Any]) -> dict[str, str]:
    """By key, the last override of it as it was given."""
    return {item.lstrip("+").partition("=")[0]: item for item in job["overrides"]}


def _mean(values: list[float], name: str) -> str:
    """The mean and the standard deviation, as `output.shown` writes a metric of this name."""
    deviation = f" ± {output.shown(statistics.stdev(values), name)}" if len(values) > 1 else ""
    return f"{output.shown(statistics.mean(values), name)}{deviation}"
