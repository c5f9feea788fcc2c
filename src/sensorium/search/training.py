"""One training of a search: a process of our own command in its run folder, here or in a job of a cluster."""

import csv
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sensorium.errors import RequestError, RunError
from sensorium.launchers.base import OUTPUT, Engine, Job
from sensorium.launchers.local import starting_processes
from sensorium.launchers.remote import RemoteJob, begin
from sensorium.run_folder import RunFolder, check_unlocked
from sensorium.search.folder import read_json
from sensorium.training.interrupts import Interrupted

_PATIENCE = 60.0  # seconds that a process has to stop by itself, with a checkpoint
_ORPHANED = 15.0  # seconds in which a process ends whose parent was killed
_PAUSE = 0.1
_LONGEST = 300  # characters of an error


@dataclass(frozen=True)
class Slot:
    """A place for one trial of those that run side by side. environment: of its processes, such as their GPU."""

    number: int
    environment: Mapping[str, str]


# Makes a run folder with these overrides ready to train; starts its training.
Prepare = Callable[[RunFolder, Sequence[str]], None]
Start = Callable[[RunFolder, Slot], Job]


@contextmanager
def starting(engine: Engine | None) -> Iterator[Start]:
    """A function that starts trainings: as processes that end with this one, or as jobs of an engine that do not."""
    if engine is not None:
        yield lambda run, slot: begin(engine, run, [], again=engine.requeue)
        return
    with starting_processes(warm=not torch.cuda.is_available()) as start:
        yield lambda run, slot: start(run, slot.environment)


def is_prepared(run: RunFolder) -> bool:
    """Whether everything that begins a run is there; the environment is written last."""
    return run.config.exists() and (run.folder / "environment.json").exists()


def wait_for_orphan(run: RunFolder) -> None:
    """Waits for the process of a parent that was killed, which stops by itself. Raises RunError if it does not."""
    until = time.monotonic() + _ORPHANED
    while True:
        try:
            return check_unlocked(run)
        except RequestError as error:
            if time.monotonic() > until:
                raise RunError(str(error)) from error
        time.sleep(_PAUSE)


@dataclass
class Training:
    """What trains in a run folder."""

    run: RunFolder
    job: Job
    started: float = field(default_factory=time.monotonic)
    _asked_at: float | None = None
    _is_killed: bool = False
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
        found = self.job.poll()
        late = self._asked_at is not None and time.monotonic() > self._asked_at + _PATIENCE
        if found is None and late and not self._is_killed:
            self._is_killed = True
            self.job.kill()
        return found if found is None or found >= 0 else 128 - found

    def stop(self) -> None:
        """Asks it to end with a checkpoint; what does not end is killed by a later `status`."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self.job.terminate()

    @property
    def where(self) -> str:
        """What an engine says of its job; "" for a process."""
        return f"{self.job.name}: {self.job.where}" if isinstance(self.job, RemoteJob) else ""

    def error(self, status: int) -> str:
        """Why it failed, on one line: what it printed last as the command does, or its exit status."""
        lines = _last_lines(self.run.folder / OUTPUT)
        found = [line.removeprefix("sensorium: ") for line in lines if line.startswith("sensorium: ")]
        if found:
            return found[-1][:_LONGEST]
        name = signal.Signals(status - 128).name if status > 128 else f"exit status {status}"
        return f"ended with {name}; see {self.run.folder / OUTPUT}"


def interrupted(running: Sequence[Training], signal_number: int, *, go_on: str) -> Interrupted:
    """The error of a search that was asked to stop; it names the jobs that run on without it."""
    jobs = [one.job for one in running if isinstance(one.job, RemoteJob)]
    said = "".join(
        f"{job.name} continues; cancel it with: {job.engine.how_to_cancel(job.record.job)}\n" for job in jobs
    )
    return Interrupted(f"Stopped. {said}Resume with: {go_on}", signal_number)


def stop_all(running: Sequence[Training]) -> None:
    """Each ends with a checkpoint, or is killed after its time."""
    for one in running:
        one.stop()
    while not all(_has_ended(one) for one in running):
        time.sleep(_PAUSE)


def _has_ended(one: Training) -> bool:
    """Also of one whose end nobody can tell, which does not keep the others from being stopped."""
    try:
        return one.status() is not None
    except RunError:
        return True


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
