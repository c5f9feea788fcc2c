"""Signals from outside, at moments nobody chose, end a recurrent network's training with a checkpoint and no crash."""

import signal
from pathlib import Path

import pytest

from command import run_command
from sensorium.runs import RunFolder
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


def assert_stops(folder: Path, number: int, **sender: object) -> None:
    """A training that is sent a signal ends with the status of that signal and leaves a checkpoint."""
    folder.mkdir()
    (folder / "senders.py").write_text(SENDERS)
    options = (f"+callbacks.sender.{key}={value}" for key, value in {**sender, "number": int(number)}.items())
    result = run_command(["train", *SETTINGS, *options], folder)
    assert result.status == 128 + number, result  # a crash is negative: -6 for SIGABRT, -11 for SIGSEGV
    (run,) = (folder / "runs").glob("*/*")
    assert f"Stopped at step {opened(RunFolder(run).last)['global_step']}. " in result.stderr


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
