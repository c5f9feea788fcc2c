"""The server's log: lines of JSON."""

import json
import logging
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO


def now() -> str:
    """For a line's "time"."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write_line(line: dict[str, Any], file: TextIO | None = None) -> None:
    """On standard error, or to a file. A full disk, or a pipe whose reader is gone, stops no server."""
    with suppress(OSError, ValueError):
        print(json.dumps(line), file=file or sys.stderr, flush=True)


class Warnings(logging.Handler):
    """What libraries warn of, such as requests that are no HTTP. Of an exception where it was raised, not its message,
    which may quote a request.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        line: dict[str, Any] = {
            "time": now(),
            "level": record.levelname.lower(),
            "message": record.getMessage().partition("\n")[0][:200],
        }
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])
            line |= {
                "error": record.exc_info[0].__name__,
                "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            }
        write_line(line)


def log_warnings() -> None:
    """Of all libraries, of which none has a handler of its own here."""
    logging.getLogger().handlers = [Warnings(logging.WARNING)]
