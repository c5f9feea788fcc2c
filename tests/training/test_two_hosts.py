"""Two hosts, each with a network and a process table of its own, train as one (scripts/two_hosts.py)."""

import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from groups import SETTINGS, WATCHED, WATCHER, rows_of, run_of, seen
from trainings import config_in, data_of, opened, trained

machines = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "two_hosts.py")))
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(machines.missing() is not None, reason=str(machines.missing()))]

ON_CPU = ("accelerator=cpu", *SETTINGS, "batch_size=16")


@pytest.fixture
def hosts() -> Iterator[Any]:
    with machines.two_hosts() as both:
        yield both


def started(host: Any, folder: Path, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    found: subprocess.Popen[str] = machines.torchrun(host, ["train", *arguments], cwd=folder, **streams, **options)
    return found


def ended(*processes: "subprocess.Popen[str]", timeout: float = 120) -> list[tuple[int, str]]:
    """Status and output of each."""
    outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    return [(process.returncode, output) for process, output in zip(processes, outputs, strict=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two hosts have trained and evaluated."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "watcher.py").write_text(WATCHER)
    with machines.two_hosts() as hosts:
        first, second = ended(*(started(host, folder, *ON_CPU, WATCHED) for host in hosts))
    assert (first[0], second[0]) == (0, 0), first[1] + second[1]
    assert first[1].count("\n  1/2 ") + second[1].count("\n  1/2 ") == 1
    return folder


def test_it_ends_like_one_process_with_both_their_batches(folder: Path, tmp_path: Path) -> None:
    two = run_of(folder)
    one = trained(tmp_path, *SETTINGS, "accelerator=cpu", "batch_size=32")
    for name, value in opened(one.last)["state_dict"].items():
        assert torch.allclose(opened(two.last)["state_dict"][name], value, rtol=1e-4, atol=1e-6), name
    for mine, theirs in zip(rows_of(one), rows_of(two), strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert float(theirs[name]) == pytest.approx(float(value), rel=1e-4), name


def test_every_example_once_in_training_and_validation(folder: Path) -> None:
    first, second = seen(folder, "train")
    both = [row for batches in (first, second) for rows in batches for row in rows]
    assert len(both) == len(set(both)) == 640
    first, second = seen(folder, "val")
    both = sorted(row for batches in (first, second) for rows in batches for row in rows)
    assert both == list(range(len(data_of(config_in(run_of(folder))).val)))


def test_the_test_split_counts_once(folder: Path) -> None:
    run = run_of(folder)
    predictions = (run.folder / "predictions.csv").read_text().splitlines()
    assert len(predictions) == 1 + len(data_of(config_in(run)).test)
