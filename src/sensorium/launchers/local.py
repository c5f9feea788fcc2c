"""launcher=local: trainings as processes of this machine, all of which end when this one does, even killed."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sensorium.launchers.base import OUTPUT, Launch
from sensorium.parent import start_child
from sensorium.run_folder import RunFolder


@contextmanager
def starting_processes() -> Iterator[Launch]:
    """A function that starts processes."""
    reader, writer = os.pipe()

    def start(run: RunFolder, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        with (run.folder / OUTPUT).open("ab") as output:
            return start_child(
                ["train", f"resume={run.folder}", "resume_from_start=true"],
                {**os.environ, **environment},
                parent=reader,
                output=output,
            )

    try:
        yield start
    finally:
        os.close(writer)
        os.close(reader)
