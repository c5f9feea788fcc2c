"""A child process ends soon after its parent, even when the parent was killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sensorium

# Names, for the process that was started, the end of a pipe that closes when its parent is gone.
PARENT = "SENSORIUM_PARENT"
_PATIENCE = 3.0  # seconds that an orphan has to stop by itself


def end_with_parent() -> None:
    """Makes this process watch its parent, if that asked for it (PARENT). To be called before anything that takes long.

    It is asked to stop, which leaves a checkpoint; where it cannot, as in a collective that waits for a process that
    is gone, it ends all the same.
    """
    pipe = os.environ.pop(PARENT, None)  # popped: it means nothing to processes that this one starts
    if pipe is None:
        return

    def watch() -> None:
        os.read(int(pipe), 1)  # nothing is ever written: it returns when the last writer, the parent, is gone
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="end_with_parent", daemon=True).start()


def import_safely() -> list[str]:
    """Python's option with which a file types.py in the working directory does not run before Sensorium does. None
    where Sensorium itself is there.
    """
    return [] if Path(sensorium.__file__).parents[1] == Path.cwd() else ["-P"]


def start_child(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    parent: int,
    kept: Sequence[int] = (),
    output: Any = None,
) -> "subprocess.Popen[bytes]":
    """Starts `sensorium ARGUMENTS` as a process that ends with this one, in a session of its own: what a terminal sends
    reaches it through this process only.

    parent: the reading end of a pipe that only this process can write to. kept: more open files that it inherits.
    output: an open file that gets both of its streams; None for this process's own.
    """
    return subprocess.Popen(
        [sys.executable, *import_safely(), "-m", "sensorium", *arguments],
        env={**environment, PARENT: str(parent)},
        start_new_session=True,
        pass_fds=[parent, *kept],
        stdin=None if output is None else subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
    )
