"""A trial that runs: the trainings of its repeats, one after the other, and what they tell the journal."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from optuna.pruners import BasePruner
from optuna.trial import Trial

from sensorium.errors import RequestError, RunError
from sensorium.launchers.base import Engine
from sensorium.launchers.remote import found
from sensorium.run_folder import RunFolder
from sensorium.search import study as noted
from sensorium.search.claims import Claims
from sensorium.search.folder import SweepFolder, read_json
from sensorium.search.proposals import finite
from sensorium.search.pruning import decide
from sensorium.search.space import Params, Space
from sensorium.search.study import Journal, runs_of
from sensorium.search.training import Prepare, Slot, Start, Training, best_of, is_prepared, wait_for_orphan

_HINDERED = 60.0  # seconds in which what keeps a training from beginning may pass
_AGAIN = 1.0  # seconds between two tries
_MOST_LOST = 3  # times that the process which starts trainings may be gone, as for want of memory
_GRACE = 3.0  # seconds in which a signal to a whole group of processes reaches this one too


@dataclass(frozen=True)
class Workplace:
    """What trials share. engine: where they run; None for this machine."""

    sweep: SweepFolder
    space: Space
    journal: Journal
    pruner: BasePruner | None
    prepare: Prepare
    start: Start
    claims: Claims
    engine: Engine | None = None

    def begin(self, run: RunFolder, overrides: Sequence[str], slot: Slot) -> Training:
        """The training of a run folder: begun, resumed, or the job that does so already.

        Raises RequestError for a setting that cannot be trained, and RunError where it cannot begin yet: a cluster
        does not answer, or the process of a parent that was killed still trains, and stops by itself.
        """
        if self.engine is not None and (job := found(self.engine, run, again=self.engine.requeue)) is not None:
            return Training(run, job)
        if self.engine is None:  # a job waits by itself
            wait_for_orphan(run)
        if not is_prepared(run):
            run.folder.mkdir(parents=True, exist_ok=True)
            self.prepare(run, overrides)
        return Training(run, self.start(run, slot))


class RunningTrial:
    """A trial from its beginning, or from where a search that was killed left it, to its end in the journal."""

    def __init__(self, workplace: Workplace, trial: Trial, slot: Slot) -> None:
        self.work, self.trial, self.slot = workplace, trial, slot
        self.number: int = trial.number
        self.params: Params = trial.params
        self.runs = runs_of(workplace.sweep, self.number, workplace.space.repeats)
        self.begun = time.monotonic()
        self.training: Training | None = None
        self.epoch, self.value = 0, float("nan")  # the last that was read
        self._place = -1  # of the repeat that runs
        self._ended_at: float | None = None
        self._hindered_at: float | None = None  # since when its training could not begin
        self._again_at, self._lost = 0.0, 0

    def step(self) -> bool:
        """Does what there is to do now. Returns whether the trial has ended, which is in the journal then."""
        pruned = self.work.journal.frozen(self.trial).user_attrs.get(noted.PRUNED)
        if self.training is None:
            return self._end_pruned() if pruned is not None else self._next()
        try:
            status = self.training.status()
        except RunError:  # who started it is gone
            self._lost += 1
            if self._lost > _MOST_LOST:
                raise
            self._begin_again()
            return False
        if self._place == 0 and pruned is None:
            pruned = self._report()
        if pruned is not None:
            self.training.stop()
            return status is not None and self._end_pruned()
        if status is None:
            return False
        if status == 0:
            self.work.journal.note(self.trial, f"{noted.FINISHED}_{self._place}", True)
            return self._next()
        if status > 128 and not self._is_alone():
            return False
        return self._fail(self.training.error(status), rejected=status == RequestError.exit_status)

    def _is_alone(self) -> bool:
        """Whether a signal that ended the process was for it alone: what ends this one too ends no trial."""
        now = time.monotonic()
        self._ended_at = self._ended_at or now
        return now > self._ended_at + _GRACE

    def _next(self) -> bool:
        """Starts the next repeat that has not finished; completes the trial behind the last one. Raises RunError where
        it could not begin for a minute: the trial is left for who resumes the search.
        """
        now = time.monotonic()
        if now < self._again_at:
            return False
        done = self.work.journal.frozen(self.trial).user_attrs
        while True:
            self._place += 1
            if self._place == len(self.runs):
                return self._complete()
            if f"{noted.FINISHED}_{self._place}" not in done:
                break
        try:
            space = self.work.space
            overrides = [*space.fixed, *space.overrides(self.params), *space.repeats[self._place]]
            self.training = self.work.begin(self.runs[self._place], overrides, self.slot)
        except RequestError as error:
            return self._fail(str(error).splitlines()[0], rejected=True)
        except RunError:
            self._hindered_at = self._hindered_at or now
            if now > self._hindered_at + _HINDERED:
                raise
            self._begin_again()
        else:
            self._hindered_at = None
        return False

    def _begin_again(self) -> None:
        """The repeat that was to run, in a moment."""
        self.training, self._again_at = None, time.monotonic() + _AGAIN
        self._place -= 1

    def _report(self) -> int | None:
        """Stores the epochs that are new; the epoch at which the trial is pruned, None for none."""
        assert self.training is not None
        rows = self.training.rows()
        monitor = read_json(self.training.run.monitor)
        if not rows or not monitor:
            return None
        sign = 1 if monitor["mode"] == "max" else -1
        frozen = self.work.journal.frozen(self.trial)
        if noted.MONITOR not in frozen.user_attrs:
            self.work.journal.note(self.trial, noted.MONITOR, [monitor["monitor"], monitor["mode"]])
        stored = frozen.intermediate_values
        undecided = max(stored, default=0)  # a process that was killed may have stored it without deciding
        for row in rows:
            text, epoch = row.get(monitor["monitor"]) or "", int(row["epoch"])
            if not text or not finite(float(text)):
                continue
            self.epoch, self.value = epoch, float(text)
            if epoch < undecided:
                continue
            if epoch not in stored:
                self.work.journal.report(self.trial, epoch, sign * float(text))
            if self._is_pruned(epoch):
                return epoch
        return None

    @cached_property
    def _max_epochs(self) -> int:
        return int(self.runs[0].read_config()["trainer"]["max_epochs"])

    def _is_pruned(self, epoch: int) -> bool:
        """Whether the trial ends at an epoch; one that has just reached its last epoch does not."""
        pruner, journal = self.work.pruner, self.work.journal
        if pruner is None or epoch >= self._max_epochs:
            return False
        ends, notes = decide(pruner, journal.trials(), self.number)
        if ends:
            journal.note(self.trial, noted.PRUNED, epoch)
        journal.note_for_pruner(self.trial, notes)
        return ends

    def _end_pruned(self) -> bool:
        if self.work.pruner is not None:
            trials = self.work.journal.trials()
            self.work.journal.note_for_pruner(self.trial, decide(self.work.pruner, trials, self.number)[1])
        self.work.journal.prune(self.trial)
        return True

    def _complete(self) -> bool:
        found = [best_of(run) for run in self.runs]
        undefined = [name for name, _, value in found if not finite(value)]
        if undefined:
            return self._fail(f"{undefined[0]} was undefined in every epoch")
        self.work.journal.complete(
            self.trial, statistics.mean(value if mode == "max" else -value for _, mode, value in found)
        )
        return True

    def _fail(self, error: str, *, rejected: bool = False) -> bool:
        self.work.journal.fail(self.trial, error, rejected=rejected)
        return True
