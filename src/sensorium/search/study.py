"""The journal of a sweep's trials: Optuna's, in a file, or in a database where several processes search at once.

Values in the journal are such that higher is better: those of a metric that is minimized have their sign changed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy import URL

from sensorium.errors import RequestError, is_full
from sensorium.run_folder import RunFolder
from sensorium.search.folder import SweepFolder
from sensorium.search.proposals import quiet
from sensorium.search.space import Value

_NAME = "sweep"
_PATIENCE = 60.0  # seconds that a change waits for those of other processes
# What is noted with a trial.
ERROR, REJECTED, PRUNED, FINISHED, MONITOR = "error", "rejected", "pruned", "finished", "monitor"


class _OwnFolder(JournalFileOpenLock):
    """No lock: the folder is locked as a whole, and a lock of a killed process would stay."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


@dataclass(frozen=True)
class Journal:
    """The trials of a sweep, on disk after every change; each change is whole or not there."""

    study: optuna.Study

    @classmethod
    def open(cls, sweep: SweepFolder, *, several: bool = False) -> "Journal":
        """That of a sweep; a new one where there is none. several: other processes may have it open as well; else the
        folder is locked by this one. Raises RequestError for one that cannot be read.
        """
        path = sweep.database if several else sweep.journal
        try:
            with quiet():
                storage = _database(path) if several else _log(path)
                sampler = optuna.samplers.RandomSampler(seed=0)  # asks for nothing: proposals are made elsewhere
                if storage.get_all_studies():
                    return cls(optuna.load_study(study_name=_NAME, storage=storage, sampler=sampler))
                _check_new(sweep, path)
                study = optuna.create_study(storage=storage, study_name=_NAME, direction="maximize", sampler=sampler)
        except RequestError:
            raise
        except Exception as error:  # Optuna reads a damaged file to wherever that leads
            if isinstance(error, OSError) and is_full(error):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise RequestError(f"{path} cannot be read: {reason}") from error
        return cls(study)

    def trials(self) -> list[FrozenTrial]:
        """All, by number."""
        return self.study.get_trials(deepcopy=False)

    def add(self, params: Mapping[str, Value], distributions: Mapping[str, Any]) -> None:
        """A trial that waits for its turn."""
        self.study.add_trial(
            create_trial(state=TrialState.WAITING, params=dict(params), distributions=dict(distributions))
        )

    def next_waiting(self) -> Trial | None:
        """The first trial that waits, which runs from now on."""
        if not any(trial.state == TrialState.WAITING for trial in self.trials()):
            return None
        with quiet():
            return self.study.ask()

    def running(self) -> list[FrozenTrial]:
        """Trials that were begun and have not ended, by number."""
        return [trial for trial in self.trials() if trial.state == TrialState.RUNNING]

    def begun(self, number: int) -> Trial:
        """A trial that runs, for what is noted of it."""
        with quiet():
            return Trial(self.study, self.trials()[number]._trial_id)

    def frozen(self, trial: Trial) -> FrozenTrial:
        """What is stored of a trial."""
        return self.trials()[trial.number]

    def report(self, trial: Trial, epoch: int, value: float) -> None:
        """A value of an epoch, counted from 1."""
        trial.report(value, epoch)

    def note(self, trial: Trial, key: str, value: Any) -> None:
        """Something about a trial."""
        trial.set_user_attr(key, value)

    def note_for_pruner(self, trial: Trial, notes: Mapping[str, Any]) -> None:
        """What a pruner notes with a trial."""
        for key, value in notes.items():
            if self.frozen(trial).system_attrs.get(key) != value:
                self.study._storage.set_trial_system_attr(trial._trial_id, key, value)

    def complete(self, trial: Trial, value: float) -> None:
        """The trial has ended with this value."""
        self.study.tell(trial, value)

    def prune(self, trial: Trial) -> None:
        """The trial has been pruned."""
        self.study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, error: str, *, rejected: bool = False) -> None:
        """The trial has ended with an error. rejected: its setting was a wrong request."""
        if rejected:
            self.note(trial, REJECTED, True)
        self.note(trial, ERROR, error)
        self.study.tell(trial, state=TrialState.FAIL)


def _check_new(sweep: SweepFolder, path: Path) -> None:
    """Rejects a journal that is lost: trials are in it before they have a folder."""
    count = sum(1 for _ in sweep.trial(0).parent.glob("[0-9]*"))
    if count:
        raise RequestError(
            f"{path} is missing or empty, and {sweep.trial(0).parent} has {count} trials. Put it back from a"
            " copy; without it the search cannot be resumed."
        )


def _log(path: Path) -> JournalStorage:
    """A file of one line for each change."""
    _cut_unfinished_line(path)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_OwnFolder(str(path))))


def _database(path: Path) -> RDBStorage:
    """A SQLite file, in which a change waits for those of other processes."""
    url = URL.create("sqlite", database=str(path))
    return RDBStorage(url.render_as_string(), engine_kwargs={"connect_args": {"timeout": _PATIENCE}})


def _cut_unfinished_line(path: Path) -> None:
    """Takes away what a killed process, or a full disk, left of a line. Raises ValueError where the last whole one is
    none of a journal: Optuna would pass over it, until there are more.
    """
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        for line in content[:end].splitlines()[-1:]:
            json.loads(line)
        if end < len(content):
            file.truncate(end)


def runs_of(sweep: SweepFolder, number: int, repeats: Sequence[Any]) -> list[RunFolder]:
    """The run folders of a trial: one for each repeat."""
    folder = sweep.trial(number)
    if len(repeats) == 1:
        return [RunFolder(folder)]
    return [RunFolder(folder / str(place + 1)) for place in range(len(repeats))]
