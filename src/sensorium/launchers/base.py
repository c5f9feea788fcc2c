"""What starts trainings: this machine, SLURM or Ray. One interface, and what all of them keep in a run folder."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from sensorium.errors import RequestError
from sensorium.files import json_text, json_value, write_atomically
from sensorium.run_folder import RunFolder

OUTPUT = "output.log"  # of a run folder: everything that its process prints, also on another machine
_FORMAT = 1


class Job(Protocol):
    """A training that runs somewhere, or waits to. A process that this one started is one."""

    def poll(self) -> int | None:
        """The exit status once it has ended, below 0 for a signal; None before."""

    def terminate(self) -> None:
        """Asks it to end with a checkpoint."""

    def kill(self) -> None:
        """Ends it at once."""


# Starts the training of a prepared run folder with these variables in its environment.
Launch = Callable[[RunFolder, Mapping[str, str]], Job]


@dataclass(frozen=True)
class Look:
    """What an engine says of a job. said: in its own words, such as "PENDING (Resources)"."""

    is_gone: bool
    said: str


class Engine(Protocol):
    """A cluster that queues jobs, starts them again elsewhere when a machine is lost, and outlives who submits."""

    name: str  # as people write it
    address: str | None  # of its cluster, where it has one
    requeue: int  # times that a job which was lost or killed is started again

    def submit(self, run: RunFolder, arguments: list[str]) -> str:
        """Queues the training of a run folder; its job. Raises RequestError where the engine refuses it."""

    def find(self, run: RunFolder) -> str | None:
        """The job of a run folder that is queued or runs, also one that nobody had time to note."""

    def look(self, job: str) -> Look:
        """How it is with a job. Asked often: an engine asks its cluster less often."""

    def cancel(self, job: str, *, at_once: bool = False) -> None:
        """Asks a job to end with a checkpoint, or ends it. A job that is gone is no error."""

    def described(self, job: str) -> str:
        """The job as messages name it, such as "SLURM job 12"."""

    def how_to_cancel(self, job: str) -> str:
        """What a person types."""


def name_of(run: RunFolder) -> str:
    """Of the job of a run folder: no other folder's has the same."""
    place = str(run.folder.resolve())
    return f"sensorium-{run.folder.name}-{hashlib.sha256(place.encode()).hexdigest()[:10]}"


@dataclass(frozen=True)
class JobRecord:
    """job.json of a run folder. launcher: of the group. address: of its cluster, where it has one. attempt: how often
    it had been submitted before.
    """

    launcher: str
    job: str
    address: str | None = None
    attempt: int = 0


def submissions(run: RunFolder) -> Path:
    """The folder for an engine's own files."""
    return run.folder / "launcher"


def _record(run: RunFolder) -> Path:
    return run.folder / "job.json"


def _end(run: RunFolder) -> Path:
    return submissions(run) / "ended.json"


def write_record(run: RunFolder, record: JobRecord) -> None:
    """job.json."""
    write_atomically(_record(run), json_text({"format": _FORMAT, **asdict(record)}, indent=2) + "\n")


def read_record(run: RunFolder) -> JobRecord | None:
    """What `write_record` wrote; None in a run that was never handed to an engine."""
    path = _record(run)
    if not path.exists():
        return None
    try:
        found = json_value(path.read_text(encoding="utf-8"))
        record = JobRecord(found["launcher"], found["job"], found["address"], found["attempt"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} cannot be read: {error}. Remove it once the job of this run is gone.") from error
    if not (isinstance(record.launcher, str) and isinstance(record.job, str) and isinstance(record.attempt, int)):
        raise RequestError(f"{path} is not what Sensorium writes. Remove it once the job of this run is gone.")
    return record


def write_end(run: RunFolder, job: str, status: int) -> None:
    """ended.json, by the job itself: its training has ended, with this exit status, and is not to be started again."""
    submissions(run).mkdir(exist_ok=True)
    write_atomically(_end(run), json_text({"job": job, "status": status}) + "\n")


def read_end(run: RunFolder, job: str) -> int | None:
    """The exit status with which this job has ended; None for one that has not, or was lost."""
    try:
        found: Any = json_value(_end(run).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("status") if isinstance(found, dict) and found.get("job") == job else None


def forget_end(run: RunFolder) -> None:
    """Before a job begins, again or for the first time."""
    _end(run).unlink(missing_ok=True)


def end_file(run: RunFolder) -> Path:
    """Where `write_end` writes, for a script of an engine."""
    return _end(run)
