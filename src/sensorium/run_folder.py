"""Paths inside a run folder. No torch: code that needs only paths starts at once."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sensorium.errors import RequestError


@dataclass(frozen=True)
class RunFolder:
    """Paths inside a run folder."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def history(self) -> Path:
        return self.folder / "metrics.csv"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def summary(self) -> Path:
        """What the training came to: the monitored validation metric, parameters, seconds."""
        return self.folder / "summary.json"

    @property
    def monitor(self) -> Path:
        """By which metric the best checkpoint is chosen; there from the beginning of a training."""
        return self.folder / "monitor.json"

    @property
    def log(self) -> Path:
        """What was printed."""
        return self.folder / "train.log"

    @property
    def batch(self) -> Path:
        """The first batch, drawn: all that debug=batch leaves."""
        return self.folder / "batch.png"

    @property
    def lock(self) -> Path:
        """Locked by the process that trains, whose number is in it."""
        return self.folder / ".lock"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The one before `last`, used when `last` cannot be read."""
        return self.checkpoints / "previous.ckpt"

    def read_config(self) -> dict[str, Any]:
        return yaml.safe_load(self.config.read_text())


def is_spawned(run: RunFolder) -> bool:
    """Whether this process is one of those that train in the folder together, started by the process that locks it."""
    return os.environ.get("TORCHELASTIC_RUN_ID") == run.folder.name


@contextmanager
def locked(run: RunFolder) -> Iterator[int]:
    """Keeps other processes from training in the folder; yields the open file that the lock belongs to.

    The system takes the lock (flock) back when its holder has ended, even killed. Raises RequestError, with the number
    of the process, when another one has it.
    """
    file = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(file, run)
        os.truncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield file
    finally:
        os.close(file)


def check_unlocked(run: RunFolder) -> None:
    """Raises RequestError as `locked` does; takes no lock. A missing folder counts as unlocked."""
    if run.lock.exists():
        file = os.open(run.lock, os.O_RDONLY)
        try:
            _take(file, run)
        finally:
            os.close(file)


def _take(file: int, run: RunFolder) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        number = os.pread(file, 20, 0).decode().strip() or "unknown"
        if number.isdecimal() and not Path(f"/proc/{number}").exists() and Path("/proc/self").exists():
            raise RequestError(
                f"{run.folder} is still being trained: process {number} has ended, those that it started have not.\n"
                "They end by themselves within half a minute. Try again then."
            ) from error
        raise RequestError(
            f"{run.folder} is still being trained, by process {number}.\n"
            f"Wait for its end, or stop it with: kill {number}"
        ) from error
