"""Signals from outside, at moments nobody chose, end a training with a checkpoint of the moment and no crash."""

import random
import signal
from pathlib import Path

import pytest

from command import run_command
from every_task import EVERY_TASK, settings_of
from sensorium.runs import RunFolder
from sensorium.tasks.registry import TASKS
from tiny_data import write_data
from trainings import opened

# Most of the time goes into the backward pass of one wide LSTM, and the training does not end by itself.
SETTINGS = (
    "dataset=contrast_reviews", "dataset.train=1280", "dataset.val=40", "dataset.test=40", "model.hidden_size=384",
    "model.embedding_size=32", "model.dropout=0", "batch_size=256", "workers=0", "threads=1", "accelerator=cpu",
    "trainer.precision=32-true", "trainer.max_epochs=1000", "test=false", "run_root=runs",
)  # fmt: skip

# `Sender`: another process sends a signal some time after the training has started. `Burst`: a hundred a second, all
# through the first backward pass.
SENDERS = """
import os
import subprocess
import lightning.pytorch as pl


class Sender(pl.Callback):
    def __init__(self, *, seconds: float, number: int):
        self.seconds, self.number = seconds, number

    def on_train_start(self, *rest):
        subprocess.Popen(["sh", "-c", f"sleep {self.seconds}; kill -{self.number} {os.getpid()}"])


class Burst(pl.Callback):
    def __init__(self, *, number: int):
        self.number = number

    def on_before_backward(self, *rest):
        self.sender = subprocess.Popen(["sh", "-c", f"while kill -{self.number} {os.getpid()}; do sleep 0.01; done"])

    def on_after_backward(self, *rest):
        self.sender.kill()
        self.sender.wait()
"""


def assert_stops(folder: Path, number: int, *settings: str, **sender: object) -> None:
    """A training that is sent a signal ends with the status of that signal, a checkpoint and the line to go on with."""
    folder.mkdir(exist_ok=True)
    (folder / "senders.py").write_text(SENDERS)
    options = (f"+callbacks.sender.{key}={value}" for key, value in {**sender, "number": int(number)}.items())
    before = set(folder.glob("runs/*/*"))
    result = run_command(["train", *(settings or SETTINGS), *options], folder)
    assert result.status == 128 + number, result  # a crash is negative: -6 for SIGABRT, -11 for SIGSEGV
    (run,) = set(folder.glob("runs/*/*")) - before
    step, place = opened(RunFolder(run).last)["global_step"], run.relative_to(folder)
    line = f"sensorium: Stopped at step {step}. Resume with: sensorium train resume={place}\n"
    assert result.stderr == line
    assert (run / "train.log").read_text().endswith(line)  # also where standard error was closed, as a terminal is


def test_signals_all_through_a_backward_pass(tmp_path: Path) -> None:
    assert_stops(tmp_path / "run", signal.SIGTERM, _target_="senders.Burst")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_some_moment(tmp_path: Path, number: int) -> None:
    assert_stops(tmp_path / "run", number, _target_="senders.Sender", seconds=0.83)


@pytest.mark.slow
def test_twenty_signals_at_twenty_moments(tmp_path: Path) -> None:
    for attempt in range(20):
        number = (signal.SIGINT, signal.SIGTERM)[attempt % 2]
        assert_stops(tmp_path / str(attempt), number, _target_="senders.Sender", seconds=0.1 + 0.093 * attempt)


def test_there_is_a_training_for_every_task() -> None:
    assert EVERY_TASK.keys() == TASKS.keys()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_data(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("task", EVERY_TASK)
def test_a_signal_at_some_moment_of_every_task(home: Path, task: str) -> None:
    settings = settings_of(task, "trainer.max_epochs=100000")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        seconds = random.uniform(0, 1.5)  # not seeded: over many runs of this test it visits every part of a training
        assert_stops(home, number, *settings, _target_="senders.Sender", seconds=seconds)
