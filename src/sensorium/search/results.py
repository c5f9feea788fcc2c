"""What a search comes to: the table, the best setting and the command that repeats it."""

from rich.console import Console

from sensorium import output
from sensorium.errors import RunError
from sensorium.files import write_atomically
from sensorium.search.folder import SweepFolder
from sensorium.search.groups import narrowed, optional_columns
from sensorium.search.loop import Limits
from sensorium.search.outcomes import best_outcome, outcome_of
from sensorium.search.proposals import FINISHED
from sensorium.search.space import Space
from sensorium.search.study import Journal

_MOST_ROWS = 30  # of the table on a screen


def finish(sweep: SweepFolder, *, space: Space, journal: Journal, limits: Limits, console: Console, go_on: str) -> int:
    """Writes and prints the results; the exit status."""
    outcomes = [outcome_of(one, sweep, space) for one in journal.trials() if one.state in FINISHED]
    if not outcomes:
        raise RunError(f"The budget was used up before a trial ended. Go on with: {go_on} budget=null")
    records = [one.record() for one in outcomes]
    write_atomically(sweep.table, output.as_csv(records))
    best = best_outcome(outcomes)
    groups = [one.group for one in outcomes]
    shown = records[:_MOST_ROWS]
    console.print()
    console.print(output.table(narrowed(shown, optional=optional_columns(groups)), title="sweep"))
    if len(shown) < len(records):
        console.print(f"and {len(records) - len(shown)} more in {sweep.table}")
    if best is not None:
        console.print(f"\nbest by {best.group.monitor}: {best.group.described()}")
        console.print(f"repeat it: {best.group.command()}")
    console.print(f"as CSV: {sweep.table}")
    if len(outcomes) < limits.trials:
        console.print(f"{len(outcomes)} of {limits.trials} trials within the budget. Go on with: {go_on}")
    return 1 if any(one.error for one in outcomes) else 0
