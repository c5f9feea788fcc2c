"""launcher=local: trainings as processes of this machine, all of which end when this one does, even killed."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sensorium.launchers.base import OUTPUT, Job, Launch
from sensorium.launchers.warm import Nursery
from sensorium.parent import start_child
from sensorium.run_folder import RunFolder


@contextmanager
def starting_processes(*, warm: bool) -> Iterator[Launch]:
    """A function that starts processes. warm: as forks of one that has imported torch, where the system can."""
    reader, writer = os.pipe()
    nursery = Nursery() if warm and sys.platform == "linux" else None
    begin = start_child if nursery is None else nursery.start

    def start(run: RunFolder, environment: Mapping[str, str]) -> Job:
        with (run.folder / OUTPUT).open("ab") as output:
            return begin(
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
        if nursery is not None:
            nursery.close()
