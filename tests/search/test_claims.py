"""Several processes search in one folder: no trial is run by two, and those of one that is killed are taken over."""

import multiprocessing
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from searches import outcomes, searched, start

from sensorium.errors import RequestError
from sensorium.search import loop
from sensorium.search.claims import WORKER, joined
from sensorium.search.folder import SweepFolder
from sensorium.search.study import Journal

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(loop, "_PAUSE", 0.005)
    monkeypatch.setattr(loop, "_LONG_PAUSE", 0.05)


def searching(folder: Path, *, trials: int, pause: float = 0.003):
    """A process of its own that searches in a folder with others."""
    folder.mkdir(exist_ok=True)
    given = {"trials": trials, "several": True, "starting": partial(start, pause=pause)}
    process = FORK.Process(target=searched, args=(folder,), kwargs=given)
    process.start()
    return process


def trials_of(folder: Path) -> list:
    return Journal.open(SweepFolder(folder), several=True).trials()


def test_a_database_has_what_the_journal_has(tmp_path) -> None:
    searched(tmp_path / "file", trials=4, pruner="median", sampler="tpe")
    searched(tmp_path / "database", trials=4, pruner="median", sampler="tpe", several=True)
    assert outcomes(tmp_path / "database", several=True) == outcomes(tmp_path / "file")


def test_three_processes_share_the_trials_of_one_search(tmp_path) -> None:
    searched(tmp_path / "alone", trials=12)
    processes = [searching(tmp_path / "shared", trials=12) for _ in range(3)]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert outcomes(tmp_path / "shared", several=True) == outcomes(tmp_path / "alone")
    begun = [(path / "begun").read_text() for path in sorted((tmp_path / "shared" / "trials").iterdir())]
    assert begun == ["0\n"] * 12  # once, at the first epoch
    assert len({one.user_attrs[WORKER] for one in trials_of(tmp_path / "shared")}) > 1
    assert not list((tmp_path / "shared" / "workers").glob("*-*.lock"))


def test_the_trial_of_a_killed_process_is_continued_by_another(tmp_path) -> None:
    searched(tmp_path / "alone", trials=4)
    folder = tmp_path / "shared"
    victim = searching(folder, trials=4, pause=1.0)
    until = time.monotonic() + 60
    while not list(folder.glob("trials/*/checkpoint")):
        assert time.monotonic() < until
        time.sleep(0.01)
    other = searching(folder, trials=4)
    while len(trials_of(folder)) < 2:
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    other.join(120)
    assert other.exitcode == 0
    assert outcomes(folder, several=True) == outcomes(tmp_path / "alone")
    begun = (folder / "trials" / "0000" / "begun").read_text().split()
    assert begun[0] == "0"
    assert len(begun) == 2
    assert int(begun[1]) > 0  # continued, not begun again
    assert {one.user_attrs[WORKER].split("-")[-2] for one in trials_of(folder)} == {str(other.pid)}


def test_one_that_has_the_folder_alone_keeps_others_out(tmp_path) -> None:
    sweep = SweepFolder(tmp_path)
    with (
        joined(sweep, several=False),
        pytest.raises(RequestError, match="is still being trained, by process"),
        joined(sweep, several=False),
    ):
        pass


def test_a_process_is_known_to_live_by_its_lock(tmp_path) -> None:
    sweep = SweepFolder(tmp_path)
    journal = Journal.open(sweep, several=True)
    with joined(sweep, several=True) as one, joined(sweep, several=True) as other:
        for claims in (one, other):
            journal.add({}, {})
            claims.take(journal, journal.next_waiting().number)
        first, second = journal.trials()
        assert (one.is_free(first), one.is_free(second)) == (True, False)
        assert (other.is_free(first), other.is_free(second)) == (False, True)
    with joined(sweep, several=True) as later:
        assert all(later.is_free(trial) for trial in journal.trials())


def test_a_database_of_something_else_is_refused(tmp_path) -> None:
    sweep = SweepFolder(tmp_path)
    sweep.database.write_bytes(b"no database" * 100)
    with pytest.raises(RequestError, match=r"journal\.sqlite cannot be read"):
        Journal.open(sweep, several=True)
