"""Real searches: killed again and again, and with trials that are pruned in two processes."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 20
QUICK = ["model=perceptron", "test=false", "calibration=none", "ood=none", "explanation=none", "threads=1", "workers=0"]
SPACE = ["lr=tag(log,interval(1e-4,1e-1))", "batch_size=range(32,97,32)"]
SEARCH = ["train", "-m", "search=tpe", "search.n_startup_trials=3", *QUICK, *SPACE, "trainer.max_epochs=40"]


def folder_of(place: Path) -> Path:
    (found,) = (place / "runs" / "sweeps").iterdir()
    return found


def table(folder: Path) -> list[dict[str, str]]:
    rows = list(csv.DictReader((folder / "sweep.csv").open()))
    return [{key: value for key, value in row.items() if key not in ("run", "seconds")} for row in rows]


def histories(folder: Path) -> dict[str, str]:
    return {path.parent.name: path.read_text() for path in sorted((folder / "trials").glob("*/metrics.csv"))}


def begin(arguments: list[str], place: Path) -> "subprocess.Popen[bytes]":
    with (place / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "sensorium", *arguments],
            cwd=place,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
        )


def finished(arguments: list[str], place: Path) -> bool:
    """Whether a search ends by itself, and well; what it printed is in output.txt."""
    return begin(arguments, place).wait(timeout=1500) == 0


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_search_killed_twenty_times_ends_as_one_that_is_not(tmp_path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    moments, trials, kills = random.Random(0), 6, 0
    arguments = [*SEARCH, f"trials={trials}"]
    while kills < KILLS:
        process = begin(arguments, killed)
        try:
            status = process.wait(timeout=moments.uniform(3, 22))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
        else:
            assert status == 0, (killed / "output.txt").read_text()
            trials += 2  # it was faster than the kills
        started = list((killed / "runs" / "sweeps").glob("*/sweep.json"))
        arguments = ["train", f"resume={started[0].parent}", f"trials={trials}"] if started else arguments
    assert finished(arguments, killed)
    assert finished([*SEARCH, f"trials={trials}"], whole)
    ours, theirs = folder_of(killed), folder_of(whole)
    assert len(table(theirs)) == trials
    assert table(ours) == table(theirs)
    assert histories(ours) == histories(theirs)
    print(f"{kills} kills, {trials} trials\n{(ours / 'sweep.csv').read_text()}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_trials_are_ended_early_in_two_processes_and_a_signal_stops_both(tmp_path) -> None:
    arguments = ["train", "-m", "search=asha", "trials=6", "jobs=2", "force=true", *QUICK, *SPACE]
    process = begin([*arguments, "trainer.max_epochs=200"], tmp_path)
    until = time.monotonic() + 200
    while len(list((tmp_path / "runs").glob("sweeps/*/trials/*/metrics.csv"))) < 2:
        assert time.monotonic() < until, (tmp_path / "output.txt").read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=100) == 143
    folder = folder_of(tmp_path)
    assert (
        f"Resume with: sensorium train resume={folder.relative_to(tmp_path)}" in (tmp_path / "output.txt").read_text()
    )
    assert len(list(folder.glob("trials/*/checkpoints/last.ckpt"))) == 2
    assert subprocess.run(["pgrep", "-f", f"resume={folder.relative_to(tmp_path)}"], check=False).returncode == 1
    assert finished(["train", f"resume={folder.relative_to(tmp_path)}"], tmp_path)
    printed = (tmp_path / "output.txt").read_text()
    rows = table(folder)
    ended = [row for row in rows if row["pruned at epoch"]]
    assert len(rows) == 6
    assert 1 <= len(ended) < 6
    for row in rows:
        epochs = histories(folder)[f"{int(row['trial']):04d}"].splitlines()[1:]
        assert len(epochs) < 200 if row["pruned at epoch"] else len(epochs) == 200
    best = max(float(row["val/accuracy"]) for row in rows if not row["pruned at epoch"])
    assert f"{best:.4f}" in printed
    assert json.loads((folder / "sweep.json").read_text())["arguments"][0] == "-m"
    print(printed)
