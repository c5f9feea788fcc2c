"""A process for a model: what crashes, hangs or eats memory there leaves the server standing."""

import multiprocessing
import os
import signal
import socket
import struct
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from sensorium.errors import RequestError, RunError, SensoriumError
from sensorium.serve.messages import Facts

_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy the server's threads and sockets
_LEAVE = 3.0  # seconds that a process has to end before it is killed


class WorkerLost(Exception):
    """The process ended in the middle of a call, or did not answer in time and was ended."""


class Worker:
    """A process that makes an engine and calls its methods, one at a time. Its methods block; one thread uses it.

    make: gives the engine; pickled, and called in the process. timeout: seconds of a call.
    """

    def __init__(self, make: Callable[[], Any], *, timeout: float) -> None:
        self._make, self._timeout = make, timeout
        self._process: Any = None
        self._connection: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that there is."""
        return None if self._process is None else self._process.pid

    def start(self) -> Facts:
        """Starts the process and waits until the model is loaded. Raises what the loading raised, and RunError."""
        here, there = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_run, args=(there, self._make), name="sensorium-worker", daemon=True)
        process.start()
        there.close()
        self._process, self._connection = process, here
        try:
            answer = here.recv()
        except (EOFError, OSError) as error:
            status = self._status()
            self.stop(at_once=True)
            raise RunError(f"A worker ended while it loaded its model (exit status {status}).") from error
        if isinstance(answer, Facts):
            _bound(here, self._timeout)
            return answer
        status, text = answer
        raise RequestError(text) if status == RequestError.exit_status else RunError(text)

    def call(self, method: str, *arguments: Any) -> Any:
        """A method of the engine. Raises RemoteError as it did, and WorkerLost."""
        connection = self._connection
        if connection is None:
            raise WorkerLost
        try:
            connection.send((method, arguments))
            if not connection.poll(self._timeout):
                raise TimeoutError
            good, value = connection.recv()
        except Exception as error:  # whatever it was, the two ends may no longer agree what comes next
            self.stop(at_once=True)
            raise WorkerLost from error
        if not good:
            raise value
        return value

    def kill(self) -> None:
        """Ends the process at once, also while another thread is in a call: that raises WorkerLost."""
        if (process := self._process) is not None:
            process.kill()

    def stop(self, *, at_once: bool = False) -> None:
        """Ends the process, after the call that it is in unless at once."""
        connection, process = self._connection, self._process
        self._connection = self._process = None
        if connection is not None:
            connection.close()
        if process is None:
            return
        if not at_once:
            process.join(_LEAVE)
        if process.is_alive():
            process.kill()
        process.join()

    def _status(self) -> int | None:
        self._process.join(_LEAVE)
        status: int | None = self._process.exitcode
        return status


def _bound(connection: Connection, seconds: float) -> None:
    """Bounds how long a part of a message is waited for: a process that is suspended neither takes nor gives the rest
    of one, and `Connection.poll` sees only its beginning. On Unix a pipe of multiprocessing is a pair of sockets.
    """
    whole, rest = divmod(seconds, 1)
    with socket.socket(fileno=os.dup(connection.fileno())) as one:
        for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            one.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(whole), int(rest * 1_000_000)))


def _run(connection: Connection, make: Callable[[], Any]) -> None:
    """In the process: until the other end of the pipe is closed, however the server ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # of a terminal they reach all processes; the server says when to end
    try:
        engine = make()
        connection.send(engine.facts())
    except SensoriumError as error:
        connection.send((error.exit_status, str(error)))
        return
    while True:
        try:
            method, arguments = connection.recv()
        except (EOFError, OSError):
            break
        connection.send(_answer(engine, method, arguments))
    os._exit(0)  # threads of libraries may wait for each other at an interpreter's end


def _answer(engine: Any, method: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, getattr(engine, method)(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is answered; the process stays
        return False, engine.failure(error)
