"""A training in a job of an engine: begun, or found again by who comes after the process that submitted it."""

import signal
from dataclasses import dataclass

from sensorium.errors import RunError
from sensorium.launchers.base import (
    OUTPUT,
    Engine,
    JobRecord,
    forget_end,
    read_end,
    read_record,
    submissions,
    write_record,
)
from sensorium.run_folder import RunFolder


@dataclass
class RemoteJob:
    """The job of a run folder. again: times that it is submitted anew when it ends without noting how, as a job does
    that was cancelled or whose engine gave up.
    """

    engine: Engine
    run: RunFolder
    record: JobRecord
    arguments: list[str]
    again: int
    status: int | None = None
    _is_asked: bool = False

    def poll(self) -> int | None:
        """The exit status of the training, negative for a signal; None as long as the job waits or runs."""
        if self.status is None:
            self.status = read_end(self.run, self.record.job)
        if self.status is None and self.engine.look(self.record.job).is_gone:
            self.status = read_end(self.run, self.record.job)  # noted in between
            if self.status is None:
                self._is_lost()
        return self.status

    def _is_lost(self) -> None:
        how = f"{self.engine.described(self.record.job)} ended without a result: {self.where}"
        if self._is_asked:
            self.status = -signal.SIGTERM
        elif self.record.attempt < self.again:
            self.record = submitted(self.engine, self.run, self.arguments, attempt=self.record.attempt + 1)
            self._say(f"{how}; it is submitted again, as {self.engine.described(self.record.job)}")
        else:
            self._say(how)
            self.status = RunError.exit_status

    def terminate(self) -> None:
        """Asks it to end with a checkpoint."""
        self._is_asked = True
        self.engine.cancel(self.record.job)

    def kill(self) -> None:
        """Ends it at once."""
        self._is_asked = True
        self.engine.cancel(self.record.job, at_once=True)

    @property
    def name(self) -> str:
        """As messages name it, such as "SLURM job 12"."""
        return self.engine.described(self.record.job)

    @property
    def where(self) -> str:
        """What the engine says of it, such as "PENDING (Resources)"."""
        return self.engine.look(self.record.job).said

    def _say(self, text: str) -> None:
        with (self.run.folder / OUTPUT).open("a", encoding="utf-8") as output:
            output.write(f"sensorium: {text}\n")


def found(engine: Engine, run: RunFolder, *, again: int = 0) -> RemoteJob | None:
    """The job that was begun for a run folder and is queued, runs, or has noted its end; None where there is none."""
    record = read_record(run)
    if record is not None and record.launcher == engine.name and (ended := read_end(run, record.job)) is not None:
        return RemoteJob(engine, run, record, [], again, ended)
    job = engine.find(run)
    if job is None:
        return None
    if record is None or record.job != job:
        record = JobRecord(engine.name, job, engine.address)
        write_record(run, record)
    return RemoteJob(engine, run, record, [], again)


def submitted(engine: Engine, run: RunFolder, arguments: list[str], *, attempt: int = 0) -> JobRecord:
    """Submits the training of a run folder, and notes its job there."""
    submissions(run).mkdir(parents=True, exist_ok=True)
    forget_end(run)
    record = JobRecord(engine.name, engine.submit(run, arguments), engine.address, attempt)
    write_record(run, record)
    return record


def begin(engine: Engine, run: RunFolder, arguments: list[str], *, again: int = 0) -> RemoteJob:
    """A new job for a run folder."""
    return RemoteJob(engine, run, submitted(engine, run, arguments), arguments, again)
