"""A child process ends soon after its parent, even when the parent was killed."""

import os
import signal
import threading
import time

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
