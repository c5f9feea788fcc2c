"""Standard output and error of a command: what happens when their reader is gone, or when there is no room to write."""

import io
import os
import sys
from typing import Any

from sensorium.files import STORED


class Lasting:
    """A stream that outlives its reader: what is written once the pipe is closed is dropped.

    For trainings, whose output is only their account: `sensorium train ... | head -1` trains on.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As of any stream."""
        try:
            return int(self._stream.write(text))
        except BrokenPipeError:
            close(self._stream)
            return len(text)

    def flush(self) -> None:
        """As of any stream."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            close(self._stream)


def prepare() -> None:
    """Output in which a file name or text that is not UTF-8 ends no command, also where a stream was closed (>&-)."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=STORED)


def outlive_readers() -> None:
    """From now on a closed pipe costs the output, not the command."""
    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)


def close(stream: Any) -> None:
    """Sends what is still to be written nowhere, so that Python does not complain at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
