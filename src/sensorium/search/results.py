"""What a search comes to: the table, the best setting and the command that repeats it, a plot, report.html."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from sensorium import output
from sensorium.errors import RunError
from sensorium.files import write_atomically
from sensorium.search.compare import Comparison, compare
from sensorium.search.groups import narrowed, optional_columns
from sensorium.search.loop import Limits
from sensorium.search.outcomes import Outcome, best_outcome, outcome_of
from sensorium.search.plots import FEWEST, importances
from sensorium.search.proposals import FINISHED
from sensorium.search.report import STATES, write_report
from sensorium.search.summary import SearchSummary, seconds_of
from sensorium.search.training import Slot
from sensorium.search.trial import Workplace

_MOST_ROWS = 30  # of the table on a screen
_LAST = ("parameters", "seconds", "pruned at epoch", "run", "failed")  # columns


@dataclass(frozen=True)
class Results:
    """Of the trials that have ended."""

    work: Workplace
    trials: Sequence[FrozenTrial]
    outcomes: Sequence[Outcome]
    wanted: int
    console: Console

    @classmethod
    def of(cls, work: Workplace, limits: Limits, console: Console) -> "Results":
        """Raises RunError where no trial has ended."""
        ended = ended_trials(work)
        if not ended:
            raise RunError("The budget was used up before a trial began. Give more with budget=.")
        found = [outcome_of(trial, work.sweep, work.space) for trial in ended]
        return cls(work, ended, found, limits.trials, console)

    @property
    def best(self) -> Outcome | None:
        """The best trial."""
        return best_outcome(self.outcomes)

    @property
    def is_whole(self) -> bool:
        """Whether all trials that were asked for have ended."""
        return len(self.outcomes) >= self.wanted

    def compared(self, seeds: int, slots: Sequence[Slot], *, go_on: str) -> list[Comparison]:
        """The best setting against the default one, where that is asked for and the search is over."""
        if not seeds or not self.is_whole or self.best is None:
            return []
        params = self.work.journal.trials()[self.best.number].params
        return compare(self.work, params, seeds=seeds, slots=slots, console=self.console, go_on=go_on)

    def write(self, compared: Sequence[Comparison], *, go_on: str) -> Mapping[str, float]:
        """The files: sweep.csv, summary.json, report.html and its plots. Returns the importance of each key."""
        rows = self._rows()
        write_atomically(self.work.sweep.table, output.as_csv(rows))
        SearchSummary.of(self.trials, self.outcomes, self.wanted).write(self.work.sweep)
        shares, resume = importances(self.work.journal), "" if self.is_whole else go_on
        write_report(self.work, self.outcomes, self.wanted, rows=rows, shares=shares, compared=compared, resume=resume)
        return shares

    def finish(self, compared: Sequence[Comparison], *, go_on: str) -> int:
        """Writes and prints everything; the exit status: 1 when a trial failed."""
        sweep, best, say = self.work.sweep, self.best, self.console.print
        shares = self.write(compared, go_on=go_on)
        self._print_table()
        if best is not None:
            say(f"\nbest by {best.monitor}: trial {best.number}  {best.described()}")
            say(f"repeat it: {best.group.command()}")
            if shares:
                say("importance: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()))
            else:
                say(f"importance: needs {FEWEST} completed trials, with different results")
        for one in compared:
            say(one.line())
        say(f"as CSV: {sweep.table}\nreport: {sweep.report}")
        if not self.is_whole:
            say(f"{len(self.outcomes)} of {self.wanted} trials within the budget. Resume with: {go_on}")
        return 1 if any(one.error for one in self.outcomes) else 0

    def _rows(self) -> list[output.Record]:
        """Of sweep.csv: numbers in full precision."""
        rows = []
        for trial, one in zip(self.trials, self.outcomes, strict=True):
            row = {"trial": one.number, "state": STATES[one.state], **one.group.numbers()}
            if one.state == TrialState.PRUNED:
                row |= {"n": 1, one.monitor: one.value, "pruned at epoch": one.ended}
            rows.append({"seconds": round(seconds_of(trial, one), 1)} | row)
        return _in_order(rows)

    def _print_table(self) -> None:
        found = zip(self.trials, self.outcomes, strict=True)
        records = _in_order([{"seconds": round(seconds_of(trial, one), 1)} | one.record() for trial, one in found])
        shown = records[:_MOST_ROWS]
        optional = optional_columns([one.group for one in self.outcomes])
        self.console.print()
        self.console.print(output.table(narrowed(shown, optional=optional), title="sweep"))
        if len(shown) < len(records):
            self.console.print(f"and {len(records) - len(shown)} more in {self.work.sweep.table}")


def ended_trials(work: Workplace) -> list[FrozenTrial]:
    """By number."""
    return [trial for trial in work.journal.trials() if trial.state in FINISHED]


def _in_order(records: list[output.Record]) -> list[output.Record]:
    """Records with the same columns in one order, what is no metric last; None where a record has nothing there."""
    given = dict.fromkeys(name for record in records for name in record)
    columns = [*(name for name in given if name not in _LAST), *(name for name in _LAST if name in given)]
    return [{name: record.get(name) for name in columns} for record in records]
