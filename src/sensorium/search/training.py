"""One training of a search: a process of our own command in its run folder, begun or gone on with."""

import csv
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensorium.errors import RequestError, RunError
from sensorium.parent import start_child
from sensorium.run_folder import RunFolder, check_unlocked
from sensorium.search.study import read_json

OUTPUT = "output.log"  # of a run folder: everything that its process prints
_PATIENCE = 60.0  # seconds that a process has to stop by itself, with a checkpoint
_ORPHANED = 15.0  # seconds in which a process ends whose parent was killed
_LONGEST = 300  # characters of an error


@dataclass(frozen=True)
class Slot:
    """A place for one trial of those that run side by side. environment: of its processes, such as their GPU."""

    number: int
    environment: Mapping[str, str]


# Makes a run folder with these overrides ready to train; starts its process.
Prepare = Callable[[RunFolder, Sequence[str]], None]
Start = Callable[[RunFolder, Slot], "subprocess.Popen[bytes]"]


@contextmanager
def starting() -> Iterator[Start]:
    """A function that starts processes, all of which end when this one does, even killed."""
    reader, writer = os.pipe()

    def start(run: RunFolder, slot: Slot) -> "subprocess.Popen[bytes]":
        with (run.folder / OUTPUT).open("ab") as output:
            return start_child(
                ["train", f"resume={run.folder}", "resume_from_start=true"],
                {**os.environ, **slot.environment},
                parent=reader,
                output=output,
            )

    try:
        yield start
    finally:
        os.close(writer)
        os.close(reader)


def is_prepared(run: RunFolder) -> bool:
    """Whether everything that begins a run is there; the environment is written last."""
    return run.config.exists() and (run.folder / "environment.json").exists()


def wait_for_orphan(run: RunFolder) -> None:
    """Waits for the process of a parent that was killed, which stops by itself. Raises RequestError if it does not."""
    until = time.monotonic() + _ORPHANED
    while True:
        try:
            return check_unlocked(run)
        except RequestError:
            if time.monotonic() > until:
                raise
        time.sleep(0.1)


@dataclass
class Training:
    """A process that trains in a run folder."""

    run: RunFolder
    process: "subprocess.Popen[bytes]"
    started: float = field(default_factory=time.monotonic)
    _asked_at: float | None = None
    _read: tuple[int, int] = (0, 0)
    _rows: list[dict[str, str]] = field(default_factory=list)

    def rows(self) -> list[dict[str, str]]:
        """The epochs of metrics.csv, read again when it has changed. Cells are texts; empty for no value."""
        try:
            found = self.run.history.stat()
            if self._read != (found.st_mtime_ns, found.st_ino):
                with self.run.history.open(newline="", encoding="utf-8") as file:
                    self._rows = list(csv.DictReader(file))
                self._read = (found.st_mtime_ns, found.st_ino)
        except FileNotFoundError:
            return []
        return self._rows

    def status(self) -> int | None:
        """The exit status once it has ended, as a shell has it; None before."""
        found = self.process.poll()
        if found is None and self._asked_at is not None and time.monotonic() > self._asked_at + _PATIENCE:
            self.process.kill()
        return found if found is None or found >= 0 else 128 - found

    def stop(self) -> None:
        """Asks it to end with a checkpoint; what does not end is killed by a later `status`."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self.process.send_signal(signal.SIGTERM)

    def error(self, status: int) -> str:
        """Why it failed, on one line: what it printed last as the command does, or its exit status."""
        lines = _last_lines(self.run.folder / OUTPUT)
        found = [line.removeprefix("sensorium: ") for line in lines if line.startswith("sensorium: ")]
        if found:
            return found[-1][:_LONGEST]
        name = signal.Signals(status - 128).name if status > 128 else f"exit status {status}"
        return f"ended with {name}; see {self.run.folder / OUTPUT}"


def _last_lines(path: Path, size: int = 20_000) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode("utf-8", errors="replace").splitlines()


def best_of(run: RunFolder) -> tuple[str, str, Any]:
    """The name of the metric that chose the best checkpoint of a finished run, max or min, and its best value."""
    summary = read_json(run.summary)
    if not summary:
        raise RunError(f"{run.folder} has no summary.json.")
    return summary["monitor"], summary["mode"], summary["best"]
