"""Forks of a process that has imported torch: what they are given, how they end, and with whom."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sensorium.errors import RunError
from sensorium.launchers import warm
from sensorium.launchers.warm import Nursery


@pytest.fixture(scope="module")
def nursery():
    found = Nursery()
    yield found
    found.close()


def ended(process, seconds: float = 60.0) -> int:
    until = time.monotonic() + seconds
    while (status := process.poll()) is None:
        assert time.monotonic() < until
        time.sleep(0.01)
    return status


def started(nursery: Nursery, folder: Path, *arguments: str, **environment: str):
    reader, writer = os.pipe()
    with (folder / "output.log").open("ab") as output:
        process = nursery.start(arguments, {**os.environ, **environment}, parent=reader, output=output)
    os.close(reader)
    return process, writer


def test_a_fork_is_the_command(nursery, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output.log").write_text("before\n")
    for arguments, status in ((["train", "model=lenett"], 2), (["train", "resume=nowhere"], 2)):
        process, writer = started(nursery, tmp_path, *arguments)
        assert ended(process) == status
        os.close(writer)
    lines = (tmp_path / "output.log").read_text().splitlines()
    assert lines[:2] == ["before", "sensorium: There is no model 'lenett'. Did you mean lenet?"]
    assert lines[-2].startswith("sensorium: ")
    assert "nowhere" in lines[-2]


def test_it_is_trained_in_the_folder_that_the_parent_is_in(nursery, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["trainer.max_epochs=1", "model=perceptron", "test=false", "calibration=none", "ood=none"]
    process, writer = started(nursery, tmp_path, "train", *quick, "explanation=none", "threads=1")
    assert ended(process, 200) == 0, (tmp_path / "output.log").read_text()
    os.close(writer)
    assert len(list(tmp_path.glob("runs/digits_perceptron/*/summary.json"))) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_it_and_are_its_exit_status(nursery, tmp_path, monkeypatch, number) -> None:
    monkeypatch.chdir(tmp_path)
    process, writer = started(nursery, tmp_path, "train", "trainer.max_epochs=1000", "model=perceptron", "threads=1")
    until = time.monotonic() + 100
    while not list(tmp_path.glob("runs/*/*/metrics.csv")):
        assert time.monotonic() < until, (tmp_path / "output.log").read_text()
        time.sleep(0.05)
    (process.terminate if number == signal.SIGTERM else process.kill)()
    assert ended(process) == (128 + signal.SIGTERM if number == signal.SIGTERM else -signal.SIGKILL)
    os.close(writer)


def test_it_stops_when_its_parent_is_gone(nursery, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    process, writer = started(nursery, tmp_path, "train", "trainer.max_epochs=1000", "model=perceptron", "threads=1")
    os.close(writer)
    assert ended(process) in (128 + signal.SIGTERM, -signal.SIGTERM)  # the latter before it listens to signals


def test_a_module_of_the_working_directory_does_not_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torch.py").write_text("open('owned', 'w')\n")
    (tmp_path / "json.py").write_text("open('owned', 'w')\n")
    nursery = Nursery()
    process, writer = started(nursery, tmp_path, "train", "model=lenett")
    assert ended(process) == 2
    os.close(writer)
    nursery.close()
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("importing", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_nursery_that_is_gone_is_replaced(tmp_path, importing) -> None:
    nursery = Nursery()
    if importing:  # killed behind the request, before it answers
        os.kill(nursery._process.pid, signal.SIGSTOP)
        threading.Timer(0.5, os.kill, (nursery._process.pid, signal.SIGKILL)).start()
    else:
        os.kill(nursery._process.pid, signal.SIGKILL)
        nursery._process.wait()
    process, writer = started(nursery, tmp_path, "train", "model=lenett")
    assert ended(process) == 2
    os.close(writer)
    nursery.close()


def test_one_that_ends_again_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(warm, "import_safely", lambda: ["-c", "raise SystemExit"])
    with pytest.raises(RunError, match="has ended twice"):
        started(Nursery(), tmp_path, "train")


def test_a_training_whose_nursery_is_gone_is_killed_and_that_is_said(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    nursery = Nursery()
    process, writer = started(nursery, tmp_path, "train", "trainer.max_epochs=1000", "model=perceptron", "threads=1")
    os.kill(nursery._process.pid, signal.SIGKILL)
    with pytest.raises(RunError, match="could not say how it went"):
        ended(process)
    until = time.monotonic() + 60
    while Path(f"/proc/{process.pid}").exists() and "Z" not in Path(f"/proc/{process.pid}/stat").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert process.poll() == -signal.SIGKILL
    os.close(writer)
    nursery.close()


def test_a_nursery_ends_with_its_parent(tmp_path) -> None:
    program = "from sensorium.launchers.warm import Nursery; print(Nursery()._process.pid, flush=True)"
    done = subprocess.run([sys.executable, "-c", program + "; import os; os._exit(0)"], capture_output=True, text=True)
    pid, until = int(done.stdout), time.monotonic() + 60
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
