"""What runs inside a job: the training of a run folder as a process of its own, which is what a job of an engine holds.

It imports nothing heavy, and all that an engine has to store of it are strings and numbers.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sensorium.errors import RequestError
from sensorium.launchers.base import OUTPUT, forget_end, write_end
from sensorium.parent import start_child
from sensorium.run_folder import RunFolder, check_unlocked

JOB = "SENSORIUM_JOB"  # set in a job: the run folder that it trains
_ORPHANED = 60.0  # seconds in which what still trains in the folder, of a machine that was lost, has to be gone
_GRACE = 3.0  # seconds in which a signal to a whole job reaches this process too
_PAUSE = 0.1


class TrainingProcess:
    """The training of a run folder, from its last checkpoint; started again when it alone was killed."""

    def __init__(self, run: str, arguments: list[str], *, restarts: int) -> None:
        self.run, self.arguments, self.restarts = RunFolder(Path(run)), arguments, restarts
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False  # a plain flag, since a signal handler sets it, which must not wait for a lock

    def train(self, job: str, environment: Mapping[str, str], *, in_group: bool = False, first: bool = True) -> int:
        """Runs it to its end; the exit status, which is noted in the folder unless the job itself was asked to stop.

        environment: of the process. in_group: it is one of several that train together, which none of them may leave
        alone. first: of the group.
        """
        if first:
            forget_end(self.run)
        left = 0 if in_group else self.restarts
        while True:
            status = self._once(environment, wait=first)
            if self._asked_within(_GRACE if status > 128 else 0.0):
                return status
            if status > 128 and in_group:
                return status
            if status <= 128 or left == 0:
                if first:
                    write_end(self.run, job, status)
                return status
            self._say(f"the training ended with {_named(status)}; it is started again ({left} more times at most)")
            left -= 1

    def stop(self) -> None:
        """Asks the process to end with a checkpoint, after which the job ends without a note."""
        self._stopping = True
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Until the process has ended. For signal handlers: it leaves the process to whoever waits for it already."""
        if self._process is not None:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def _once(self, environment: Mapping[str, str], *, wait: bool) -> int:
        if wait:
            self._wait_for_orphan()
        reader, writer = os.pipe()  # what trains notices when this process is gone, even killed
        try:
            with (self.run.folder / OUTPUT).open("ab") as output, _untouched_by_warnings():
                self._process = start_child(
                    ["train", f"resume={self.run.folder}", "resume_from_start=true", *self.arguments],
                    {**environment, JOB: str(self.run.folder)},
                    parent=reader,
                    output=output,
                )
            if self._stopping:  # asked between the two
                self._process.terminate()
            while (status := self._process.poll()) is None:  # not wait(): a signal handler may look meanwhile
                time.sleep(_PAUSE)
        finally:
            os.close(writer)
            os.close(reader)
        return status if status >= 0 else 128 - status

    def _asked_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(_PAUSE)
        return self._stopping

    def _wait_for_orphan(self) -> None:
        """What is still there after its time is named by the training itself, which then rejects the request."""
        until = time.monotonic() + _ORPHANED
        while time.monotonic() < until and not self._stopping:
            try:
                check_unlocked(self.run)
            except RequestError:
                time.sleep(_PAUSE)
            else:
                return

    def _say(self, text: str) -> None:
        with (self.run.folder / OUTPUT).open("a", encoding="utf-8") as output:
            output.write(f"sensorium: {text}\n")


@contextmanager
def _untouched_by_warnings() -> Iterator[None]:
    """Processes that are started inside never get the signal with which submitit has SLURM warn of a time limit, and
    which SLURM sends to every process of a job. It is for this one, which asks the training to stop.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _named(status: int) -> str:
    try:
        return signal.Signals(status - 128).name
    except ValueError:
        return f"exit status {status}"
