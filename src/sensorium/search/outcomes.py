"""What a trial that has ended came to, read from the journal and its run folders."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from sensorium import output, runs
from sensorium.errors import RunError
from sensorium.run_folder import RunFolder
from sensorium.search import study as noted
from sensorium.search.folder import SweepFolder, read_json
from sensorium.search.groups import Group
from sensorium.search.space import Space
from sensorium.search.study import runs_of


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """value: of the metric `monitor`, as it is measured; None where there is none. error: why it failed, or "". ended:
    the epoch at which it was pruned. group: its runs.
    """

    number: int
    setting: str
    state: TrialState
    monitor: str
    higher_is_better: bool
    value: float | None
    error: str
    ended: int | None
    group: Group

    @property
    def seconds(self) -> float:
        """Of its trainings that were not pruned."""
        return sum(job["summary"]["seconds"] for job in self.group.jobs if "summary" in job)

    def record(self) -> output.Record:
        """A row of the table."""
        record: output.Record = {"trial": self.number, **self.group.record()}
        if self.value is not None and self.group.validation() is None:
            place = list(self.group.varied)[-1] if self.group.varied else "trial"
            shown = output.shown(self.value, self.monitor)
            record = _behind(record, "seed" if "seed" in record else place, {self.monitor: shown})
        if self.state == TrialState.PRUNED:
            record["pruned at epoch"] = self.ended
        return record

    def described(self) -> str:
        """What is special about it, and its validation result."""
        if self.group.validation() is not None or self.value is None:
            return self.group.described()
        return f"{self.setting}  {output.shown(self.value, self.monitor)}  (its run folder is missing or damaged)"


def _behind(record: output.Record, key: str, added: output.Record) -> output.Record:
    items = list(record.items())
    place = list(record).index(key) + 1
    return dict([*items[:place], *added.items(), *items[place:]])


def outcome_of(trial: FrozenTrial, sweep: SweepFolder, space: Space) -> Outcome:
    """Of a trial that has ended."""
    folders = runs_of(sweep, trial.number, space.repeats)
    monitor, mode = trial.user_attrs.get(noted.MONITOR) or _monitor_of(folders[0])
    higher = mode == "max"
    error = trial.user_attrs.get(noted.ERROR, "")
    texts = space.texts(trial.params)
    jobs: list[dict[str, Any]] = []
    for repeat, run in zip(space.repeats, folders, strict=True):
        job: dict[str, Any] = {"overrides": [*space.fixed, *space.overrides(trial.params), *repeat]}
        if run.config.exists():
            job["run"] = str(run.folder)
        if trial.state != TrialState.PRUNED and run.summary.exists():
            with suppress(RunError):  # a damaged file: the journal has the value too
                job["metrics"] = runs.read_metrics(run) if run.metrics.exists() else {}
                job["summary"] = runs.read_summary(run)
        if error and "summary" not in job:
            job["error"] = error
        jobs.append(job)
    return Outcome(
        number=trial.number,
        setting=" ".join(f"{key}={value}" for key, value in texts.items()),
        state=trial.state,
        monitor=monitor,
        higher_is_better=higher,
        value=_value(trial, higher),
        error=error,
        ended=trial.user_attrs.get(noted.PRUNED),
        group=Group(texts, jobs),
    )


def _monitor_of(run: RunFolder) -> tuple[str, str]:
    found = read_json(run.monitor)
    return found.get("monitor", ""), found.get("mode", "max")


def _value(trial: FrozenTrial, higher: bool) -> float | None:
    """Of one that was pruned, the best of its epochs: what its best checkpoint has."""
    sign = 1 if higher else -1
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return sign * trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        return sign * max(trial.intermediate_values.values())
    return None


def best_outcome(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The best of those that were completed; the first of several that are equal."""
    complete = [one for one in outcomes if one.state == TrialState.COMPLETE and one.value is not None and one.monitor]
    comparable = [one for one in complete if one.monitor == complete[0].monitor]
    return max(comparable, key=lambda one: (one.value or 0.0) * (1 if one.higher_is_better else -1), default=None)
