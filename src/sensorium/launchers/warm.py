"""Trainings on this machine that begin at once: forks of one process that has imported torch and Lightning.

Importing takes longer than many a trial of a search. Not for trainings on a GPU: a driver that has been asked for its
devices cannot be used in a fork.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sensorium.errors import RunError
from sensorium.parent import PARENT, import_safely

_LOST = -signal.SIGKILL  # the exit status of a process whose end nobody could tell


@dataclass
class ForkedProcess:
    """A process that was forked. answers: from which its number, then its exit status can be read."""

    answers: socket.socket
    pid: int
    status: int | None = None

    def poll(self) -> int | None:
        """The exit status once it has ended, below 0 for a signal; None before. Raises RunError, once, where the
        process that forked it is gone; it is killed then.
        """
        if self.status is None and select.select([self.answers], [], [], 0)[0]:
            told = self.answers.recv(64)
            self.answers.close()
            if not told:
                self._send(signal.SIGKILL)
                self.status = _LOST
                raise RunError("The process that started the training has ended, and could not say how it went on.")
            self.status = int(told)
        return self.status

    def terminate(self) -> None:
        """Asks it to end with a checkpoint."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.status is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return  # it has just ended; poll will tell how


class Nursery:
    """A process that has imported what a training needs, and forks. It ends with this object, and with this process."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # What it prints while it imports is of no one training.
        self._process = subprocess.Popen(
            [sys.executable, *import_safely(), "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, parent: int, output: Any
    ) -> ForkedProcess:
        """As `sensorium.parent.start_child`. A nursery that is gone, such as for want of memory, is replaced. Raises
        RunError where that one is gone as well.
        """
        for _ in range(2):
            if (found := self._fork(arguments, environment, parent=parent, output=output)) is not None:
                return found
            self.close()
            self._begin()
        raise RunError("The process that starts the trainings has ended twice, perhaps for want of memory.")

    def _fork(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, parent: int, output: Any
    ) -> ForkedProcess | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"arguments": list(arguments), "environment": dict(environment), "cwd": os.getcwd()}  # noqa: PTH109
        text = json.dumps(request).encode()
        with theirs, os.fdopen(os.memfd_create("request"), "w+b") as file:  # longer than a message may be
            file.write(text)
            file.flush()
            with suppress(BrokenPipeError, ConnectionResetError):
                socket.send_fds(self._requests, [b"r"], [file.fileno(), theirs.fileno(), parent, output.fileno()])
        try:
            pid = ours.recv(64)
        except ConnectionResetError:
            pid = b""
        if not pid:
            ours.close()
            return None
        return ForkedProcess(ours, int(pid))

    def close(self) -> None:
        """Ends it; what it has forked runs on."""
        self._requests.close()
        self._process.wait()


def _serve(requests: socket.socket) -> int:
    """Forks a process for each request, and tells of each how it ended; returns the exit status, in a fork too."""
    importlib.import_module("sensorium.cli.train")
    gc.freeze()  # a fork that looked through all that has been imported would have to copy it
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([requests, woken], [], [])[0]
        if woken in ready:
            woken.recv(4096)
            _tell_ends(running)
        if requests in ready:
            message, files, _, _ = socket.recv_fds(requests, 1, 4)
            if not message:  # whoever asks is gone
                signal.set_wakeup_fd(-1)  # a fork that ends now has nobody to tell
                return 0
            request, answers, parent, output = files
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for other in (requests, woken, wake, *running.values()):
                    other.close()
                os.close(answers)
                return _become(request, parent, output)
            running[pid] = socket.socket(fileno=answers)
            with suppress(BrokenPipeError):  # whoever asked was killed since, which the next message says
                running[pid].send(str(pid).encode())
            for file in (request, parent, output):
                os.close(file)


def _tell_ends(running: dict[int, socket.socket]) -> None:
    for pid in list(running):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with running.pop(pid) as answers:
                try:
                    answers.send(str(os.waitstatus_to_exitcode(status)).encode())
                except BrokenPipeError:
                    continue  # nobody asks any more


def _become(request: int, parent: int, output: int) -> int:
    """Turns this fork into the training that is asked for; its exit status."""
    os.setsid()
    with open(request, "rb") as file:
        file.seek(0)
        asked = json.loads(file.read())
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115 (till it ends)
    os.environ.clear()
    os.environ.update(asked["environment"], **{PARENT: str(parent)})
    os.chdir(asked["cwd"])
    sys.argv = ["sensorium", *asked["arguments"]]
    status: int = importlib.import_module("sensorium.cli.main").main()
    return status


if __name__ == "__main__":
    sys.exit(_serve(socket.socket(fileno=int(sys.argv[1]))))
