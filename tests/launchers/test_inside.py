"""The training inside a job: what it notes, and when it is started again. The training is a small program."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sensorium.launchers import inside
from sensorium.launchers.base import read_end, write_end
from sensorium.launchers.inside import JOB, TrainingProcess
from sensorium.run_folder import RunFolder, locked

WAITS = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print('begun', flush=True); {}"
)


@pytest.fixture
def run(tmp_path, monkeypatch) -> RunFolder:
    monkeypatch.setattr(inside, "_GRACE", 0.2)
    monkeypatch.setattr(inside, "_PAUSE", 0.01)
    return RunFolder(tmp_path)


def training(run, monkeypatch, program: str, *, restarts: int = 0) -> TrainingProcess:
    """One whose process is a program. Its arguments, and its own job, are in asked.json."""

    def start(arguments, environment, *, parent, output):
        (run.folder / "asked.json").write_text(json.dumps([arguments, environment[JOB]]))
        command = [sys.executable, "-I", "-S", "-c", program]
        return subprocess.Popen(command, stdout=output, stderr=output, cwd=run.folder, env=environment)

    monkeypatch.setattr(inside, "start_child", start)
    return TrainingProcess(str(run.folder), ["lr=0.1"], restarts=restarts)


def output(run) -> str:
    return (run.folder / "output.log").read_text()


def wait_for(done) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("status", [0, 1, 2])
def test_the_end_of_a_training_is_noted_with_its_job(status, run, monkeypatch):
    write_end(run, "11", 7)  # of a job before
    ours = training(run, monkeypatch, f"print('said'); raise SystemExit({status})", restarts=3)
    assert ours.train("12", os.environ) == status
    assert (read_end(run, "12"), read_end(run, "11")) == (status, None)
    assert output(run) == "said\n"
    arguments, job = json.loads((run.folder / "asked.json").read_text())
    assert arguments == ["train", f"resume={run.folder}", "resume_from_start=true", "lr=0.1"]
    assert job == str(run.folder)


def test_a_training_that_was_killed_alone_is_started_again(run, monkeypatch):
    twice = "import os, pathlib, signal; p = pathlib.Path('n'); n = len(p.read_text()) if p.exists() else 0; "
    twice += "p.write_text('x' * (n + 1)); n < 2 and os.kill(os.getpid(), signal.SIGKILL)"
    assert training(run, monkeypatch, twice, restarts=2).train("12", os.environ) == 0
    assert (run.folder / "n").read_text() == "xxx"
    assert read_end(run, "12") == 0
    assert output(run).count("sensorium: the training ended with SIGKILL; it is started again") == 2


def test_a_training_that_is_killed_again_and_again_has_failed(run, monkeypatch):
    always = "import os, signal; print('begun', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    assert training(run, monkeypatch, always, restarts=1).train("12", os.environ) == 137
    assert read_end(run, "12") == 137
    assert output(run).count("begun") == 2


def test_a_job_that_is_asked_to_stop_notes_no_end(run, monkeypatch):
    ours = training(run, monkeypatch, WAITS.format("time.sleep(60)"), restarts=3)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(ours.train("12", os.environ)))
    thread.start()
    wait_for(lambda: (run.folder / "output.log").exists() and "begun" in output(run))
    ours.stop()
    ours.wait()
    thread.join()
    assert found == [143]
    assert read_end(run, "12") is None


def test_one_of_a_group_is_never_started_again_alone(run, monkeypatch):
    killed = "import os, signal; print('begun', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    ours = training(run, monkeypatch, killed, restarts=3)
    assert ours.train("12", os.environ, in_group=True, first=False) == 137
    assert output(run).count("begun") == 1
    assert read_end(run, "12") is None


def test_it_waits_for_what_still_trains_in_the_folder(run, monkeypatch):
    ours = training(run, monkeypatch, "print('said')")
    with locked(run):
        thread = threading.Thread(target=lambda: ours.train("12", os.environ))
        thread.start()
        time.sleep(0.2)
        assert not (run.folder / "output.log").exists()
    thread.join()
    assert output(run) == "said\n"


def test_the_warning_of_a_time_limit_does_not_reach_the_training(run, monkeypatch):
    """SLURM sends SIGUSR2 to every process of a job, and it ends whatever does not expect it."""
    asks = "import os, signal; os.kill(os.getpid(), signal.SIGUSR2); print('lives')"
    assert training(run, monkeypatch, asks).train("12", os.environ) == 0
    assert output(run) == "lives\n"
    assert signal.SIGUSR2 not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
