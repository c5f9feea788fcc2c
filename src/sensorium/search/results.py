"""What a search comes to: the table, the best setting and the command that repeats it, a plot, report.html."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import TrialState
from rich.console import Console

from sensorium import output
from sensorium.errors import RunError
from sensorium.files import json_text, write_atomically
from sensorium.report_sections import Cell, Chart, Section, Series, Table
from sensorium.reports.page import SweepFacts, write_sweep
from sensorium.search.compare import Comparison, compare
from sensorium.search.folder import read_request
from sensorium.search.groups import narrowed, optional_columns
from sensorium.search.loop import Limits
from sensorium.search.outcomes import Outcome, best_outcome, outcome_of
from sensorium.search.plots import FEWEST, draw_parallel, importances
from sensorium.search.proposals import FINISHED
from sensorium.search.training import Slot
from sensorium.search.trial import Workplace

_MOST_ROWS = 30  # of the table on a screen
_PARALLEL = "parallel_coordinates.png"


@dataclass(frozen=True)
class Results:
    """Of the trials that have ended."""

    work: Workplace
    outcomes: Sequence[Outcome]
    wanted: int
    console: Console

    @classmethod
    def of(cls, work: Workplace, limits: Limits, console: Console) -> "Results":
        """Raises RunError where no trial has ended."""
        ended = [trial for trial in work.journal.trials() if trial.state in FINISHED]
        if not ended:
            raise RunError("The budget was used up before a trial began. Give more with budget=.")
        found = [outcome_of(trial, work.sweep, work.space) for trial in ended]
        return cls(work, found, limits.trials, console)

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

    def finish(self, compared: Sequence[Comparison], *, go_on: str) -> int:
        """Writes and prints everything; the exit status: 1 when a trial failed."""
        sweep, best, say = self.work.sweep, self.best, self.console.print
        records = [one.record() for one in self.outcomes]
        write_atomically(sweep.table, output.as_csv(records))
        self._write_summary()
        self._print_table(records)
        shares = importances(self.work.journal)
        if best is not None:
            say(f"\nbest by {best.monitor}: trial {best.number}  {best.described()}")
            say(f"repeat it: {best.group.command()}")
            if shares:
                say("importance: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()))
            else:
                say(f"importance: needs {FEWEST} trials trained to their end, with different results")
        for one in compared:
            say(one.line())
        self._write_report(records, shares, compared)
        say(f"as CSV: {sweep.table}\nreport: {sweep.report}")
        if not self.is_whole:
            say(f"{len(self.outcomes)} of {self.wanted} trials within the budget. Resume with: {go_on}")
        return 1 if any(one.error for one in self.outcomes) else 0

    def _write_summary(self) -> None:
        """What `sensorium list runs` shows."""
        best = self.best
        found = {
            "trials": len(self.outcomes),
            "monitor": "" if best is None else best.monitor,
            "best": None if best is None else best.value,
            "seconds": round(sum(one.seconds for one in self.outcomes), 1),
        }
        write_atomically(self.work.sweep.summary, json_text(found, indent=2) + "\n")

    def _print_table(self, records: Sequence[output.Record]) -> None:
        shown = list(records[:_MOST_ROWS])
        optional = optional_columns([one.group for one in self.outcomes])
        self.console.print()
        self.console.print(output.table(narrowed(shown, optional=optional), title="sweep"))
        if len(shown) < len(records):
            self.console.print(f"and {len(records) - len(shown)} more in {self.work.sweep.table}")

    def _write_report(
        self, records: Sequence[output.Record], shares: dict[str, float], compared: Sequence[Comparison]
    ) -> None:
        sweep, best = self.work.sweep, self.best
        plots = []
        if best is not None:
            path, sign = sweep.plots / _PARALLEL, 1 if best.higher_is_better else -1
            if draw_parallel(self.work.journal, path, sign=sign, monitor=best.monitor):
                plots.append(path)
        states = [one.state for one in self.outcomes]
        tiles = [
            ("trials", str(len(self.outcomes))),
            ("trained to their end", str(states.count(TrialState.COMPLETE))),
            ("ended early", str(states.count(TrialState.PRUNED))),
            ("failed", str(states.count(TrialState.FAIL))),
        ]
        commands = [("This search:", shlex.join(["sensorium", "train", *read_request(sweep)]))]
        headline = {}
        if best is not None and best.value is not None:
            commands.insert(0, ("The best setting:", best.group.command()))
            value = output.shown(best.value, best.monitor)
            headline = {"value": value, "name": f"best {best.monitor}", "note": best.setting}
        sections = [*self._charts(), *_tables(records, shares, compared)]
        write_sweep(
            SweepFacts(
                name=sweep.folder.name,
                title=f"Search over {', '.join(key.key for key in self.work.space.keys)}",
                headline=headline,
                tiles=tiles,
                sections=sections,
                plots=plots,
                commands=commands,
            ),
            sweep.report,
        )

    def _charts(self) -> list[Section]:
        """The value of each trial, and the best so far."""
        points: dict[str, list[tuple[float, float]]] = {"trained to the end": [], "ended early": []}
        line: list[tuple[float, float]] = []
        for place, one in enumerate(self.outcomes):
            if one.value is None:
                continue
            kind = "ended early" if one.state == TrialState.PRUNED else "trained to the end"
            points[kind].append((one.number, one.value))
            best = best_outcome(self.outcomes[: place + 1])
            if best is not None and best.value is not None:
                line.append((one.number, best.value))
        series = [Series(name=name, points=found, kind="points") for name, found in points.items() if found]
        if not series:
            return []
        monitor = next(one.monitor for one in self.outcomes if one.value is not None)
        series.append(Series(name="best so far", points=line))
        return [Chart(title="Trials", series=series, x_label="trial", y_label=monitor)]


def _tables(
    records: Sequence[output.Record], shares: dict[str, float], compared: Sequence[Comparison]
) -> list[Section]:
    shown = narrowed(list(records), optional=[], width=10**6)
    columns = list(dict.fromkeys(name for record in shown for name in record))
    found: list[Section] = [
        Table(title="Settings", columns=columns, rows=[[record.get(name) for name in columns] for record in shown])
    ]
    if shares:
        note = "Share of each key in what sets the best tenth of the trials apart (PED-ANOVA)."
        rows: list[list[Cell]] = [[name, round(share, 4)] for name, share in shares.items()]
        found.append(Table(title="Importance", columns=["key", "importance"], rows=rows, note=note))
    if compared:
        columns = ["metric", "new seeds", "best", "default", "difference", "95% interval"]
        lines: list[list[Cell]] = [
            [one.metric, one.seeds, one.best, one.default, one.difference, one.ends()] for one in compared
        ]
        note = "The best setting and the command without what varies, both with new seeds, paired by seed."
        found.append(Table(title="Best against default", columns=columns, rows=lines, note=note))
    return found
