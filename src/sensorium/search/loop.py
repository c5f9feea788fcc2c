"""The search itself: trials side by side until enough are finished, the budget is used up, or someone stops it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, Trial, TrialState

from sensorium.errors import RequestError, RunError
from sensorium.search import study as noted
from sensorium.search.proposals import FINISHED, SearchSettings, distributions, propose
from sensorium.search.training import Slot, Training, interrupted, stop_all
from sensorium.search.trial import RunningTrial, Workplace
from sensorium.training.interrupts import StopRequest

_PAUSE = 0.1  # seconds between two looks at the processes
_LONG_PAUSE = 1.0  # between two looks at those of others
_REJECTIONS = 3  # trials, after which a search of nothing else is given up


@dataclass(frozen=True, kw_only=True)
class Limits:
    """trials: how many, all together. seconds: in which new ones may begin; None for no limit. slots: one for each
    trial that runs at the same time.
    """

    trials: int
    seconds: float | None
    slots: Sequence[Slot]
    fail_fast: bool


@dataclass(frozen=True)
class Listener:
    """Called as the search goes on: with each trial that has ended, and with those that run at every look."""

    ended: Callable[[FrozenTrial, float], None]
    looked: Callable[[Sequence[RunningTrial]], None]


def search(work: Workplace, settings: SearchSettings, limits: Limits, listener: Listener, *, go_on: str) -> None:
    """Runs trials until there are enough. go_on: the command that goes on with the search, for messages.

    Raises Interrupted after a signal, with every process stopped, and RunError where fail_fast ends it. Jobs of an
    engine continue without the search.
    """
    begun = time.monotonic()
    running: list[RunningTrial] = []
    leaves_jobs = work.engine is not None  # which the resumed search finds again
    stop = StopRequest()
    stop.listen()
    try:
        while not stop.signal_number:
            while len(running) < len(limits.slots):
                may_begin = limits.seconds is None or time.monotonic() < begun + limits.seconds
                trial = _claim(work, settings, limits, running, new=may_begin)
                if trial is None:
                    break
                running.append(RunningTrial(work, trial, _free(limits.slots, running)))
            if not running:
                if not work.journal.running():
                    return
                time.sleep(_LONG_PAUSE)  # until the trials of other processes have ended, or are left to this one
            for one in [one for one in running if one.step()]:
                running.remove(one)
                ended = work.journal.frozen(one.trial)
                listener.ended(ended, time.monotonic() - one.begun)
                _check_rejected(work, limits)
                if limits.fail_fast and ended.state == TrialState.FAIL:
                    leaves_jobs = False
                    raise RunError(f"Trial {ended.number} failed, and fail_fast=true. Resume with:\n{go_on}")
            listener.looked(running)
            time.sleep(_PAUSE)
        raise interrupted(_trainings(running), stop.signal_number, go_on=go_on)
    finally:
        if not leaves_jobs:
            stop_all(_trainings(running))
        stop.ignore()


def _check_rejected(work: Workplace, limits: Limits) -> None:
    """Raises RequestError when nothing but rejections has come: the request is wrong, and not this or that setting."""
    ended = [trial for trial in work.journal.trials() if trial.state in FINISHED]
    if len(ended) >= min(_REJECTIONS, limits.trials) and all(noted.REJECTED in trial.user_attrs for trial in ended):
        raise RequestError(f"The first {len(ended)} trials were rejected. Trial 0: {ended[0].user_attrs[noted.ERROR]}")


def _claim(
    work: Workplace, settings: SearchSettings, limits: Limits, running: Sequence[RunningTrial], *, new: bool
) -> Trial | None:
    """A trial that a process left when it was killed, one that waits, or, where `new` is, one more; None for none."""
    mine = {one.number for one in running}
    with work.claims.exclusive():
        left = (one for one in work.journal.running() if one.number not in mine and work.claims.is_free(one))
        found = next((work.journal.begun(one.number) for one in left), None)
        if found is None and new:
            found = _next(work, settings, limits)
        if found is not None:
            work.claims.take(work.journal, found.number)
    return found


def _next(work: Workplace, settings: SearchSettings, limits: Limits) -> Trial | None:
    """A trial that waits, or a new one; None when there are enough."""
    waiting = work.journal.next_waiting()
    if waiting is not None:
        return waiting
    trials = work.journal.trials()
    if len(trials) >= limits.trials:
        return None
    params = propose(work.space, settings, trials, len(trials))
    work.journal.add(params, distributions(work.space))
    return work.journal.next_waiting()


def _free(slots: Sequence[Slot], running: Sequence[RunningTrial]) -> Slot:
    taken = {one.slot.number for one in running}
    return next(slot for slot in slots if slot.number not in taken)


def _trainings(running: Sequence[RunningTrial]) -> list[Training]:
    return [one.training for one in running if one.training is not None]
