"""SIGTERM, SIGINT and SIGHUP ask the run to stop at the next point it can be resumed from exactly."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sensorium.errors import RunError
from sensorium.output import leave_closed_outputs
from sensorium.signals import STOPPING, signals_on_their_own_stack


def stop_signals() -> list[int]:
    """The signals that ask a training to stop. A hangup is not one where it is ignored, as under nohup; and outside the
    main thread, where Python allows no signal handlers, there is none.
    """
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in STOPPING if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]


class Interrupted(RunError):
    """The run was asked to stop and left a checkpoint. Exit status as shells expect: 128 + signal."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


@contextmanager
def stopping_at_once(message: str) -> Iterator[None]:
    """Inside, the signals that ask to stop raise Interrupted with this message: for work that is simply repeated."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(message, number)

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopRequest:
    """Remembers the first signal; a second SIGINT ends the process at once, as without Sensorium."""

    def __init__(self) -> None:
        self.signal_number = 0  # what asked to stop; 0 for nothing
        self._before = {number: signal.getsignal(number) for number in stop_signals()}

    def listen(self) -> None:
        signals_on_their_own_stack()  # a training that no command started, such as a parallel job of a sweep
        for number in self._before:
            signal.signal(number, self._received)

    def ignore(self) -> None:
        """Signals mean again what they meant before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        leave_closed_outputs()
        self.signal_number = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
