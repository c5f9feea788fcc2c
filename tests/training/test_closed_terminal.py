"""A terminal that is closed during a training ends it as SIGHUP asks: with a checkpoint, and with its exit status."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from sensorium.runs import RunFolder
from trainings import opened, two_cores

SETTINGS = (
    "model=mlp", "model.hidden=[8]", "batch_size=16", "workers=0", "threads=1", "accelerator=cpu", "test=false",
    "trainer.max_epochs=100000",
)  # fmt: skip


def closed_terminal(folder: Path, *more: str) -> int:
    """The exit status of a training whose terminal is closed after its first epoch."""
    ours, terminal = pty.openpty()

    def take() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    training = subprocess.Popen(
        [sys.executable, "-m", "sensorium", "train", *SETTINGS, *more],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
        preexec_fn=take,
    )
    os.close(terminal)
    shown = b""
    while b" 1/100000 " not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    return training.wait(timeout=60)


@pytest.mark.parametrize(
    "more", [(), pytest.param(("trainer.devices=2", "strategy=ddp"), marks=[two_cores, pytest.mark.slow])]
)
def test_a_closed_terminal_leaves_a_checkpoint_and_the_status_of_its_signal(tmp_path: Path, more: tuple) -> None:
    assert closed_terminal(tmp_path, *more) == 128 + signal.SIGHUP
    (run,) = (tmp_path / "runs").glob("*/*")
    assert opened(RunFolder(run).last)["global_step"] >= 1
