"""Trainings and searches in jobs, seen from outside: their folders, and how to tell that two came to the same."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

QUICK = ["model=perceptron", "calibration=none", "ood=none", "explanation=none", "test=false", "workers=0", "threads=1"]
TRAINING = ["train", *QUICK, "trainer.max_epochs=30", "callbacks.checkpoints.every_n_steps=3"]
SEARCH = ["train", "-m", "search=grid", *QUICK, "trainer.max_epochs=25", "lr=0.01,0.02,0.03,0.04"]
_PATIENCE = 240.0  # seconds for anything to happen on a busy machine


def begin(
    arguments: Iterable[str], folder: Path, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """`sensorium ARGUMENTS` in a folder, where output.txt has what it prints."""
    with (folder / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "sensorium", *arguments],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def finished(arguments: Iterable[str], folder: Path, environment: Mapping[str, str] | None = None) -> int:
    """The same to its end; its exit status."""
    return begin(arguments, folder, environment).wait(timeout=2 * _PATIENCE)


def printed(folder: Path) -> str:
    """What commands have printed in a folder."""
    return (folder / "output.txt").read_text()


def only(found: Iterable[Path]) -> Path:
    """The one that there is."""
    (one,) = found
    return one


def wait_for(done: Callable[[], object], what: str, story: Callable[[], str] = str) -> None:
    """Until something is true. story: what has happened so far, for the message of a wait in vain."""
    until = time.monotonic() + _PATIENCE
    while not done():
        assert time.monotonic() < until, f"in vain: {what} {story()}"
        time.sleep(0.1)


def epochs(run: Path) -> int:
    """That a run has finished."""
    path = run / "metrics.csv"
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def job_of(run: Path) -> str:
    """The job that was noted in a run folder."""
    return str(json.loads((run / "job.json").read_text())["job"])


def ended(run: Path) -> int | None:
    """The exit status that the job of a run has noted; None before."""
    path = run / "launcher" / "ended.json"
    return json.loads(path.read_text())["status"] if path.exists() else None


def history(run: Path) -> list[dict[str, str]]:
    """metrics.csv without what no two trainings have in common."""
    rows = csv.DictReader((run / "metrics.csv").open())
    return [{key: value for key, value in row.items() if key not in ("seconds", "samples_per_second")} for row in rows]


def table(sweep: Path) -> list[dict[str, str]]:
    """sweep.csv without what no two searches have in common."""
    rows = csv.DictReader((sweep / "sweep.csv").open())
    return [{key: value for key, value in row.items() if key not in ("seconds", "run")} for row in rows]


def weights(run: Path, name: str) -> dict[str, torch.Tensor]:
    """Of a checkpoint."""
    found: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / name, weights_only=True)["state_dict"]
    return found


def assert_same(run: Path, other: Path) -> None:
    """Two runs have the same history and, bit for bit, the same weights."""
    assert history(run) == history(other)
    for name in ("best.ckpt", "last.ckpt"):
        ours, theirs = weights(run, name), weights(other, name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
