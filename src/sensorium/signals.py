"""Signals reach only threads in which a handler can do no harm, and a native crash says where it was.

oneDNN's kernel for the backward pass of LSTM and GRU on a CPU uses the stack pointer as a register for data. A handler
that runs on that stack writes over the tensors that it points into: SIGABRT or SIGSEGV in most cases. Two things keep
signals off it, each of them needed: the main thread handles them on a stack of their own, and the threads that share
its work never get one. (The system hands a process's signal to another thread while one is pending in the main thread,
as when SIGTERM and SIGHUP come together.)
"""

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # what asks a process to end, and can be handled
DEBUG = "SENSORIUM_DEBUG"  # set by debug=true, and so in the processes that this one starts


def signals_on_their_own_stack() -> None:
    """Makes this thread run signal handlers on a stack of their own, and Python name the line of a native crash.

    Python asks for the alternate stack (SA_ONSTACK, since 3.10) but only faulthandler gives it one.
    """
    if not faulthandler.is_enabled():
        _describe_crashes_on_stderr()


def keep_signals_from_this_thread() -> set[int]:
    """Blocks STOPPING in this thread and in those that it starts; another thread gets them. Returns what was blocked
    before.
    """
    return {int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)}


@contextmanager
def kept_from_new_threads() -> Iterator[None]:
    """Threads that are started inside, by whatever library, never get STOPPING."""
    before = keep_signals_from_this_thread()
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def crashes_described_in(log: Path) -> Iterator[None]:
    """Inside, the stack trace of a native crash goes to the end of this file; with debug=true to standard error."""
    if DEBUG in os.environ:
        yield
        return
    with log.open("a", encoding="utf-8") as file:
        faulthandler.enable(file)
        try:
            yield
        finally:
            _describe_crashes_on_stderr()


def _describe_crashes_on_stderr() -> None:
    try:
        file = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # there is none, it is no file, or it is closed
        file = os.open(os.devnull, os.O_WRONLY)  # left open: it is where a crash would be described
    faulthandler.enable(file)
