"""A search in its folder, from the first trial, or from where it was stopped, to its table."""

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from sensorium.errors import RunError
from sensorium.launchers.base import Engine
from sensorium.search.claims import joined
from sensorium.search.folder import SweepFolder
from sensorium.search.loop import Limits, Listener, search
from sensorium.search.progress import Progress
from sensorium.search.proposals import SearchSettings
from sensorium.search.pruning import pruner_of
from sensorium.search.results import Results, ended_trials
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
    several = settings.storage == "sqlite"
    limits = Limits(trials=trials, seconds=seconds, slots=slots, fail_fast=fail_fast)
    go_on = shlex.join(["sensorium", "train", f"resume={sweep.folder}"])
    with joined(sweep, several=several) as claims, starting(engine) as start:
        with claims.exclusive():
            journal = Journal.open(sweep, several=several)
        work = Workplace(sweep, space, journal, pruner_of(settings), prepare, start, claims, engine)
        try:
            with Progress(console, sweep, space, journal, limits) as progress:
                search(work, settings, limits, Listener(progress.ended, progress.looked), go_on=go_on)
        except RunError:  # stopped, or ended by fail_fast: what there is so far can be read like the whole
            if ended_trials(work):
                with claims.exclusive("results"):
                    Results.of(work, limits, console).write([], go_on=go_on)
            raise
        with claims.exclusive("results"):
            found = Results.of(work, limits, console)
            return found.finish(found.compared(settings.compare, slots, go_on=go_on), go_on=go_on)
