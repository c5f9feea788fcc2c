"""report.html of a search: its values, its settings, importances, a plot, and the commands."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.trial import TrialState

from sensorium import output
from sensorium.data.base import counted
from sensorium.report_sections import Cell, Chart, Section, Series, Table
from sensorium.reports.page import NAME, SweepFacts, write_sweep
from sensorium.search.compare import Comparison
from sensorium.search.folder import read_request
from sensorium.search.outcomes import Outcome, best_outcome
from sensorium.search.plots import draw_parallel
from sensorium.search.trial import Workplace

STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
_PARALLEL = "parallel_coordinates.png"
_HIDDEN = ("run", "n")  # columns of sweep.csv that the page does without


def write_report(
    work: Workplace,
    outcomes: Sequence[Outcome],
    wanted: int,
    *,
    rows: Sequence[output.Record],
    shares: Mapping[str, float],
    compared: Sequence[Comparison],
    resume: str,
) -> None:
    """rows: of sweep.csv. shares: importances of the keys. resume: the command for missing trials, or ""."""
    sweep, best = work.sweep, best_outcome(outcomes)
    states = [one.state for one in outcomes]
    ended = str(len(outcomes)) if len(outcomes) >= wanted else f"{len(outcomes)} of {wanted}"
    tiles = [
        ("trials", ended),
        ("completed", str(states.count(TrialState.COMPLETE))),
        ("pruned", str(states.count(TrialState.PRUNED))),
        ("failed", str(states.count(TrialState.FAIL))),
    ]
    commands = [("This search:", shlex.join(["sensorium", "train", *read_request(sweep)]))]
    if resume:
        commands.insert(0, (f"{ended} trials have ended. Resume the search:", resume))
    headline = {}
    if best is not None and best.value is not None:
        commands.insert(0, ("The best setting:", best.group.command()))
        value = output.shown(best.value, best.monitor)
        headline = {"value": value, "name": f"best {best.monitor}", "note": best.setting}
    facts = SweepFacts(
        name=sweep.folder.name,
        title=f"Search over {', '.join(key.key for key in work.space.keys)}",
        headline=headline,
        tiles=tiles,
        settings=_settings(rows),
        pages=[_page(work, one) for one in outcomes],
        best=None if best is None else outcomes.index(best),
        sections=[*_charts(outcomes), *_tables(shares, compared)],
        plots=_plots(work, best, len(outcomes)),
        commands=commands,
    )
    write_sweep(facts, sweep.report)


def _page(work: Workplace, one: Outcome) -> str:
    """The report of a trial, from the folder of the search, with repeats that of the first; "" where there is none."""
    folder = work.sweep.trial(one.number)
    pages = (place / NAME for place in (folder, folder / "1"))
    return next((page.relative_to(work.sweep.folder).as_posix() for page in pages if page.is_file()), "")


def _plots(work: Workplace, best: Outcome | None, count: int) -> dict[Path, str]:
    if best is None:
        return {}
    path, sign = work.sweep.plots / _PARALLEL, 1 if best.higher_is_better else -1
    drawn = draw_parallel(work.journal, path, sign=sign, monitor=best.monitor)
    which = "all trials" if drawn == count else f"the {drawn} of {counted(count, 'trial')} that were completed"
    return {path: f"Settings and their values: {which}, the best the darkest"} if drawn else {}


def _charts(outcomes: Sequence[Outcome]) -> list[Section]:
    """The value of each trial, and the best so far behind them."""
    points: dict[str, list[tuple[float, float]]] = {"completed": [], "pruned": []}
    line: list[tuple[float, float]] = []
    for place, one in enumerate(outcomes):
        if one.value is None:
            continue
        kind = "pruned" if one.state == TrialState.PRUNED else "completed"
        points[kind].append((one.number, one.value))
        best = best_outcome(outcomes[: place + 1])
        if best is not None and best.value is not None:
            line.append((one.number, best.value))
    found = [Series(name=name, points=places, kind="points") for name, places in points.items() if places]
    if not found:
        return []
    monitor = next(one.monitor for one in outcomes if one.value is not None)
    series = [Series(name="best so far", points=line, kind="steps"), *found]
    return [Chart(title="Trials", series=series, x_label="trial", y_label=monitor)]


def _settings(rows: Sequence[output.Record]) -> Table:
    columns = list(dict.fromkeys(name for row in rows for name in row if name not in _HIDDEN))
    return Table(title="Settings", columns=columns, rows=[[row.get(name) for name in columns] for row in rows])


def _tables(shares: Mapping[str, float], compared: Sequence[Comparison]) -> list[Section]:
    found: list[Section] = []
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
