"""launcher=ray: an actor of a Ray cluster for each training. It outlives who submitted it (Ray: detached)."""

import logging
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from sensorium.errors import RequestError
from sensorium.launchers.base import Look, name_of
from sensorium.launchers.ray_actor import TrainingActor
from sensorium.run_folder import RunFolder
from sensorium.signals import kept_from_new_threads

NAMESPACE = "sensorium"
_SLOWEST = 10.0  # seconds in which a cluster has to accept a connection
_EVERY = 1.0  # seconds between two questions about a job
_QUEUED = Look(is_gone=False, said="QUEUED (no machine has what it asks for yet)")
_AGAIN = Look(is_gone=False, said="STARTING AGAIN")


@dataclass(kw_only=True)
class Ray:
    """The cluster at an address. Keys are those of configs/launcher/ray.yaml. Connects when it is first asked."""

    address: str | None
    cpus: int
    mem_gb: float | None
    gpus: int
    requeue: int
    name: str = "ray"
    _looks: dict[str, tuple[float, Look]] = field(default_factory=dict)
    _questions: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.address is None:
            raise RequestError(
                "launcher=ray needs launcher.address=HOST:PORT, the head of a Ray cluster, as `ray start` printed it;\n"
                "or launcher.address=auto for the cluster that this machine belongs to."
            )

    def submit(self, run: RunFolder, arguments: list[str]) -> str:
        """As of every engine."""
        ray, job = self._ray(), name_of(run)
        actor = ray.remote(TrainingActor).options(
            name=job,
            namespace=NAMESPACE,
            lifetime="detached",
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            memory=None if self.mem_gb is None else int(self.mem_gb * 2**30),
            max_restarts=self.requeue,
            runtime_env=_runtime_environment(),
        )
        actor.remote(job, str(run.folder.resolve()), arguments, self.requeue, _environment())
        self._looks.pop(job, None)
        self._questions.pop(job, None)
        return job

    def find(self, run: RunFolder) -> str | None:
        """As of every engine."""
        job = name_of(run)
        return None if self._actor(job) is None else job

    def look(self, job: str) -> Look:
        """As of every engine."""
        asked, found = self._looks.get(job, (-_EVERY, _QUEUED))
        if time.monotonic() > asked + _EVERY:
            found = self._ask(job, found)
            self._looks[job] = (time.monotonic(), found)
        return found

    def _ask(self, job: str, before: Look) -> Look:
        """An actor answers once it has been created; the last question is left open until then."""
        ray, actor = self._ray(), self._actor(job)
        if actor is None:
            return Look(is_gone=True, said="gone")
        question = self._questions.setdefault(job, actor.where.remote())
        if not ray.wait([question], timeout=0)[0]:
            return before
        del self._questions[job]
        try:
            return Look(is_gone=False, said=f"RUNNING on {ray.get(question)}")
        except ray.exceptions.RayError:
            return _AGAIN

    def cancel(self, job: str, *, at_once: bool = False) -> None:
        """As of every engine."""
        ray, actor = self._ray(), self._actor(job)
        if actor is None:
            return
        if at_once or self.look(job) in (_QUEUED, _AGAIN):
            ray.kill(actor, no_restart=True)
        else:
            actor.stop.remote()

    def described(self, job: str) -> str:
        """As of every engine."""
        return f"Ray actor {job}"

    def how_to_cancel(self, job: str) -> str:
        """As of every engine."""
        return (
            f"python -c \"import ray; ray.init('{self.address}', namespace='{NAMESPACE}'); "
            f"ray.kill(ray.get_actor('{job}'))\""
        )

    def _actor(self, job: str) -> Any:
        """None for one that is not there, or no longer."""
        try:
            return self._ray().get_actor(job, namespace=NAMESPACE)
        except ValueError:
            return None

    def _check_address(self) -> None:
        """Raises RequestError where nothing listens: Ray would ask for minutes."""
        if self.address in (None, "auto"):
            return
        host, _, port = str(self.address).rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_SLOWEST).close()
        except (OSError, OverflowError) as error:
            message = f"launcher.address={self.address}: no Ray cluster can be used there: {error}"
            raise RequestError(message) from error

    def _ray(self) -> Any:
        """Ray, connected to the cluster. Raises RequestError where there is none."""
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        import ray

        if not ray.is_initialized():
            self._check_address()
            in_main = threading.current_thread() is threading.main_thread()
            before = signal.getsignal(signal.SIGTERM)
            try:
                with kept_from_new_threads():
                    ray.init(
                        address=self.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR
                    )
            except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                why = (str(error).strip().splitlines() or ["no answer"])[0]
                message = f"launcher.address={self.address}: no Ray cluster can be used there: {why}"
                raise RequestError(message) from error
            finally:
                if in_main:
                    signal.signal(signal.SIGTERM, before)  # Ray puts its own in place
        return ray


def _environment() -> dict[str, str]:
    """What a training needs of this process's environment, wherever it runs."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("SENSORIUM_")}
    return kept | _runtime_environment().get("env_vars", {})


def _runtime_environment() -> dict[str, Any]:
    """With the modules that this process finds through PYTHONPATH."""
    path = os.environ.get("PYTHONPATH")
    return {"env_vars": {"PYTHONPATH": path}} if path else {}
