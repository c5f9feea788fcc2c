"""Which process runs which trial, where several search in the same folder at once (search.storage=sqlite).

Each holds a lock on a file of its own, which the system takes back when the process has ended, even killed: a trial of
a process whose file is not locked is nobody's. No clock is compared. Machines share the folder through a file system
that carries locks (flock) between them, as NFS 4 and CephFS do, and Lustre mounted with -o flock.
"""

import fcntl
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from optuna.trial import FrozenTrial

from sensorium.run_folder import RunFolder, locked
from sensorium.search.folder import SweepFolder
from sensorium.search.study import Journal

WORKER = "worker"  # noted with a trial: the name of the process that runs it


@dataclass(frozen=True)
class Claims:
    """What a process of a search knows of the others. worker: its name; None for one that has the folder alone."""

    sweep: SweepFolder
    worker: str | None = None

    @contextmanager
    def exclusive(self, what: str = "claim") -> Iterator[None]:
        """Inside, no other process is: it waits for its turn. what: there is one turn for each."""
        if self.worker is None:
            yield
            return
        file = os.open(self.sweep.workers / f"{what}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def take(self, journal: Journal, number: int) -> None:
        """This process runs the trial from now on."""
        if self.worker is not None:
            journal.note(journal.begun(number), WORKER, self.worker)

    def is_free(self, trial: FrozenTrial) -> bool:
        """Whether a trial that was begun is run by no process that lives, this one aside."""
        owner = trial.user_attrs.get(WORKER)
        return owner in (None, self.worker) or not _is_locked(self.sweep.workers / f"{owner}.lock")


@contextmanager
def joined(sweep: SweepFolder, *, several: bool) -> Iterator[Claims]:
    """Makes this process one that searches in the folder. several: others may as well; else it has the folder alone.

    Raises RequestError when another process has it alone.
    """
    if not several:
        with locked(RunFolder(sweep.folder)):
            yield Claims(sweep)
        return
    sweep.workers.mkdir(exist_ok=True)
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    path = sweep.workers / f"{name}.lock"
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield Claims(sweep, name)
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _is_locked(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
