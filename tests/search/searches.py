"""Searches with trainings of a few milliseconds (fake_training.py)."""

import subprocess
import sys
from pathlib import Path

import yaml

from sensorium.errors import RequestError
from sensorium.search.claims import joined
from sensorium.search.folder import SweepFolder
from sensorium.search.loop import Limits, Listener, search
from sensorium.search.outcomes import outcome_of
from sensorium.search.proposals import SearchSettings
from sensorium.search.pruning import pruner_of
from sensorium.search.space import parse
from sensorium.search.study import Journal
from sensorium.search.training import Slot
from sensorium.search.trial import Workplace

PROGRAM = Path(__file__).with_name("fake_training.py")
SPACE = ["lr=interval(0,1)"]
EPOCHS = 9


def prepare(run, overrides) -> None:
    if "lr=0.25" in overrides:
        raise RequestError("lr=0.25 is not possible.\nTake another.")
    run.config.write_text(yaml.safe_dump({"trainer": {"max_epochs": EPOCHS}}))
    (run.folder / "overrides.txt").write_text("\n".join(overrides))
    (run.folder / "environment.json").write_text("{}")


def start(run, slot, *, pause: float = 0.003) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-I", "-S", str(PROGRAM), str(run.folder), str(EPOCHS), str(pause)]
    with (run.folder / "output.log").open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, env=slot.environment)


def searched(
    folder: Path,
    space=SPACE,
    *,
    trials: int = 6,
    sampler: str = "random",
    pruner: str = "none",
    jobs: int = 1,
    fail_fast: bool = False,
    seconds: float | None = None,
    ended=lambda trial, seconds: None,
    looked=lambda running: None,
    starting=start,
    several: bool = False,
) -> Journal:
    """A search in a folder, or what is left of it."""
    settings = SearchSettings(
        sampler=sampler, seed=0, n_startup_trials=3, pruner=pruner, min_epochs=1, reduction_factor=2
    )
    sweep = SweepFolder(folder)
    folder.mkdir(exist_ok=True)
    with joined(sweep, several=several) as claims:
        with claims.exclusive():
            journal = Journal.open(sweep, several=several)
        work = Workplace(sweep, parse(space), journal, pruner_of(settings), prepare, starting, claims)
        slots = [Slot(place, {}) for place in range(jobs)]
        limits = Limits(trials=trials, seconds=seconds, slots=slots, fail_fast=fail_fast)
        search(work, settings, limits, Listener(ended, looked), go_on="go on")
    return journal


def outcomes(folder: Path, space=SPACE, *, several: bool = False) -> list:
    """What a search came to, without the names of its folders and its seconds."""
    sweep = SweepFolder(folder)
    found = [outcome_of(trial, sweep, parse(space)) for trial in Journal.open(sweep, several=several).trials()]
    records = [one.record() for one in found]
    return [{key: value for key, value in record.items() if key not in ("run", "seconds")} for record in records]


def states(folder: Path) -> list:
    trials = Journal.open(SweepFolder(folder)).trials()
    return [(one.state, one.value, one.params, one.intermediate_values, one.system_attrs) for one in trials]
