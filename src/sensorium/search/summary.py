"""summary.json of a search: how far it came, its best value so far, and the seconds that it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from sensorium.files import json_text, write_atomically
from sensorium.search.folder import SweepFolder
from sensorium.search.outcomes import Outcome, best_outcome


def seconds_of(trial: FrozenTrial, outcome: Outcome) -> float:
    """That a trial took: of a completed one, as its trainings say; of any other, from its beginning to its end,
    with the time in between if the search was stopped meanwhile.
    """
    if trial.state == TrialState.COMPLETE:
        return outcome.seconds
    return trial.duration.total_seconds() if trial.duration is not None else 0.0


@dataclass(frozen=True, kw_only=True)
class SearchSummary:
    """trials: that have ended, of those that are wanted. best: the value of the best completed one,
    best_trial its number, best_setting what it overrides; None where there is none. seconds: of all trials together.
    """

    trials: int
    wanted: int
    monitor: str
    best: float | None
    best_trial: int | None
    best_setting: Mapping[str, Any] | None
    seconds: float

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial], outcomes: Sequence[Outcome], wanted: int) -> "SearchSummary":
        """Of trials that have ended, and what they came to."""
        best = best_outcome(outcomes)
        by_number = {trial.number: trial for trial in trials}
        return cls(
            trials=len(outcomes),
            wanted=wanted,
            monitor="" if best is None else best.monitor,
            best=None if best is None else best.value,
            best_trial=None if best is None else best.number,
            best_setting=None if best is None else by_number[best.number].params,
            seconds=round(sum(map(seconds_of, trials, outcomes)), 1),
        )

    def write(self, sweep: SweepFolder) -> None:
        """Written after each trial, for `sensorium list runs`."""
        write_atomically(sweep.summary, json_text(self.__dict__, indent=2) + "\n")
