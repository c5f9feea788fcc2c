"""launcher=ray: detached actors of a Ray cluster."""

from dataclasses import dataclass

from sensorium.launchers.base import Look
from sensorium.run_folder import RunFolder


@dataclass(kw_only=True)
class Ray:
    """To be written."""

    address: str | None
    cpus: int
    mem_gb: float | None
    gpus: int
    requeue: int
    name: str = "ray"

    def submit(self, run: RunFolder, arguments: list[str]) -> str:
        raise NotImplementedError

    def find(self, run: RunFolder) -> str | None:
        raise NotImplementedError

    def look(self, job: str) -> Look:
        raise NotImplementedError

    def cancel(self, job: str, *, at_once: bool = False) -> None:
        raise NotImplementedError

    def described(self, job: str) -> str:
        return f"Ray actor {job}"

    def how_to_cancel(self, job: str) -> str:
        return ""
