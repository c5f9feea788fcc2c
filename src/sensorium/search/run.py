"""A search in its folder, from the first trial, or from where it was stopped, to its table."""

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from sensorium.launchers.base import Engine
from sensorium.search.folder import SweepFolder
from sensorium.search.loop import Limits, Listener, search
from sensorium.search.progress import Progress
from sensorium.search.proposals import SearchSettings
from sensorium.search.pruning import pruner_of
from sensorium.search.results import Results
from sensorium.search.space import Space
from sensorium.search.study import Journal
from sensorium.search.training import Prepare, Slot, starting
from sensorium.search.trial import Workplace


def run(
    sweep: SweepFolder,
    *,
    space: Space,
    section: dict[str, Any],
    trials: int,
    seconds: float | None,
    slots: Sequence[Slot],
    fail_fast: bool,
    prepare: Prepare,
    engine: Engine | None,
    console: Console,
) -> int:
    """Runs what is left of a search and prints its results; the exit status: 1 when a trial failed.

    section: `search` of the config. seconds: in which new trials may begin. engine: where they run; None for this
    machine.
    """
    settings = SearchSettings(**section)
    journal = Journal.open(sweep)
    limits = Limits(trials=trials, seconds=seconds, slots=slots, fail_fast=fail_fast)
    go_on = shlex.join(["sensorium", "train", f"resume={sweep.folder}"])
    with starting(engine) as start, Progress(console, sweep, space, journal, limits) as progress:
        work = Workplace(sweep, space, journal, pruner_of(settings), prepare, start, engine)
        search(work, settings, limits, Listener(progress.ended, progress.looked), go_on=go_on)
        found = Results.of(work, limits, console)
        compared = found.compared(settings.compare, slots, go_on=go_on)
    return found.finish(compared, go_on=go_on)
