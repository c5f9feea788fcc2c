"""What a search prints as it goes on: a line for each trial that ends, and on a terminal what is running."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from sensorium import output
from sensorium.errors import printable
from sensorium.search import study as noted
from sensorium.search.folder import SweepFolder
from sensorium.search.loop import Limits
from sensorium.search.outcomes import Outcome, best_outcome, outcome_of
from sensorium.search.proposals import FINISHED
from sensorium.search.space import Space
from sensorium.search.study import Journal
from sensorium.search.summary import SearchSummary
from sensorium.search.trial import RunningTrial

_REFRESH = 2  # times a second


class Progress:
    """Prints a line for each trial that has ended; on a terminal also draws those that run below."""

    def __init__(self, console: Console, sweep: SweepFolder, space: Space, journal: Journal, limits: Limits) -> None:
        self._console, self._sweep, self._space, self._journal, self._limits = console, sweep, space, journal, limits
        self._seconds: list[float] = []
        self._where: dict[int, str] = {}  # the last that was printed of the job of a trial
        self._best: Outcome | None = None
        self._held = ExitStack()
        self._live: Live | None = None

    def __enter__(self) -> "Progress":
        outcomes = self._noted()
        done, wanted, self._best = len(outcomes), self._limits.trials, best_outcome(outcomes)
        if done:
            self._console.print(f"{done} of {wanted} trials had ended")
        if self._console.is_terminal:
            self._live = self._held.enter_context(
                Live(console=self._console, refresh_per_second=_REFRESH, transient=True)
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def ended(self, trial: FrozenTrial, seconds: float) -> None:
        """Prints the line of a trial. seconds: that it took this process."""
        self._seconds.append(seconds)
        outcomes = self._noted()
        one, best = outcome_of(trial, self._sweep, self._space), best_outcome(outcomes)
        self._best = best
        parts = [f"{len(outcomes)}/{self._limits.trials} trial {trial.number} {one.setting}"]
        if one.value is not None:
            parts.append(f"{one.monitor} {output.shown(one.value, one.monitor)}")
        if trial.state == TrialState.PRUNED:
            parts.append(f"pruned at epoch {trial.user_attrs[noted.PRUNED]}")
        if one.error:
            parts.append(f"failed: {one.error}")
        if best is not None and best.value is not None:
            parts.append(f"best {output.shown(best.value, best.monitor)}")
        self._console.print("  ".join([*parts, f"{seconds:.0f} s"]))

    def looked(self, running: Sequence[RunningTrial]) -> None:
        """Draws what runs; where nothing is drawn, prints what has changed about the jobs of a cluster."""
        if self._live is not None:
            self._live.update(self._drawn(running))
            return
        for one in running:
            where = "" if one.training is None else one.training.where
            if where and self._where.get(one.number) != where:
                self._where[one.number] = where
                self._console.print(f"trial {one.number}: {where}")

    def _noted(self) -> list[Outcome]:
        """What the trials that have ended came to, which is in summary.json then."""
        ended = [one for one in self._journal.trials() if one.state in FINISHED]
        outcomes = [outcome_of(one, self._sweep, self._space) for one in ended]
        SearchSummary.of(ended, outcomes, self._limits.trials).write(self._sweep)
        return outcomes

    def _drawn(self, running: Sequence[RunningTrial]) -> RenderableType:
        states = [one.state for one in self._journal.trials()]
        counts = {
            "done": states.count(TrialState.COMPLETE),
            "pruned": states.count(TrialState.PRUNED),
            "failed": states.count(TrialState.FAIL),
        }
        records = [
            {
                "trial": one.number,
                **self._space.texts(one.params),
                "epoch": one.epoch,
                "value": one.value,
                "seconds": time.monotonic() - one.begun,
                **({"job": one.training.where} if one.training is not None and one.training.where else {}),
            }
            for one in running
        ]
        line = ", ".join(f"{count} {name}" for name, count in counts.items())
        best = "" if self._best is None else f"; best {output.shown(self._best.value, self._best.monitor)}"
        text = f"{line} of {self._limits.trials}{best}{self._left(counts)}"
        return Group(output.table(records), Text(printable(text)))

    def _left(self, counts: dict[str, int]) -> str:
        """The time left, as the trials so far have taken."""
        if not self._seconds:
            return ""
        left = self._limits.trials - sum(counts.values())
        each = sum(self._seconds) / len(self._seconds) / len(self._limits.slots)
        minutes, seconds = divmod(round(left * each), 60)
        return f"; about {minutes}:{seconds:02d} left"
