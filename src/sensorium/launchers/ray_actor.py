"""An actor of Ray that holds the training of a run folder. Ray imports this module on its machines."""

import os
import socket
import threading
from collections.abc import Mapping

from sensorium.launchers.inside import TrainingProcess


class TrainingActor:
    """Trains from its creation on, and so begins again, from the last checkpoint, where Ray creates it anew."""

    def __init__(self, job: str, run: str, arguments: list[str], restarts: int, environment: Mapping[str, str]) -> None:
        self._job, self._environment = job, {**os.environ, **environment}
        self._training = TrainingProcess(run, arguments, restarts=restarts)
        threading.Thread(target=self._train, name="training", daemon=True).start()

    def where(self) -> str:
        """The machine."""
        return socket.gethostname()

    def stop(self) -> None:
        """Asks the training to end with a checkpoint, after which the actor is gone."""
        self._training.stop()

    def _train(self) -> None:
        import ray

        self._training.train(self._job, self._environment)
        ray.kill(ray.get_runtime_context().current_actor, no_restart=True)  # gives back what was reserved for it
