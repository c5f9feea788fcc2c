"""A real Ray cluster on this machine: a head that runs nothing, and nodes, everything in a temporary folder.

As a program it runs a command with the cluster up, whose address is in RAY_CLUSTER: python ray_cluster.py COMMAND ...
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from slurm_cluster import ENDS_WITH_US

_PATIENCE = 90.0  # seconds in which a part of the cluster has to be up
_MARK = "SENSORIUM_TEST_RAY"  # in the environment of all its processes
_STORE = "80000000"  # bytes of shared memory for objects, of which there are none


@dataclass
class Cluster:
    """address: for launcher.address. environment: with which its commands and its users run."""

    folder: Path
    address: str
    environment: dict[str, str]
    nodes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)


def why_not() -> str:
    """Why no cluster can be started here; "" for no reason."""
    return "" if find_spec("ray") else "ray is not installed: pip install 'sensorium[ray]'"


@contextmanager
def ray_cluster() -> Iterator[Cluster]:
    """A head and one node, up; gone at the end, with every process."""
    with TemporaryDirectory(prefix="ray-", dir="/tmp") as name, ExitStack() as held:
        folder = Path(name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        cluster = Cluster(
            folder,
            f"127.0.0.1:{port}",
            {
                "HOME": name,  # Ray keeps notes there
                "RAY_USAGE_STATS_ENABLED": "0",
                # It listens on every interface whatever it is told: who does not know this word is refused.
                "RAY_AUTH_MODE": "token",
                "RAY_AUTH_TOKEN": secrets.token_hex(32),
                _MARK: name,
            },
        )
        held.callback(_end, cluster)
        start_node(cluster, "head", "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false")
        start_node(cluster, "node1", f"--address={cluster.address}", "--num-cpus=2")
        yield cluster


def start_node(cluster: Cluster, name: str, *options: str) -> None:
    """One more part of the cluster, when it is up."""
    log = cluster.folder / f"{name}.out"
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
    more = ["--node-ip-address=127.0.0.1", f"--object-store-memory={_STORE}", *options]
    if "--head" in options:
        more.append(f"--temp-dir={cluster.folder / 'r'}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*ENDS_WITH_US, *command, *more],
            env={**os.environ, **cluster.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    cluster.nodes[name] = process
    until = time.monotonic() + _PATIENCE
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"Ray did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


def kill_node(cluster: Cluster, name: str) -> None:
    """As a machine that is switched off: every process of it, at once, but for what its jobs run."""
    process = cluster.nodes.pop(name)
    for number in [process.pid, *_children(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()


def _children(number: int) -> list[int]:
    """Processes that a process started, and those that these started."""
    with suppress(OSError):
        found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return [one for child in map(int, found) for one in (child, *_children(child))]
    return []


def _end(cluster: Cluster) -> None:
    for name in list(cluster.nodes):
        cluster.nodes[name].send_signal(signal.SIGTERM)
    for process in cluster.nodes.values():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
    until = time.monotonic() + 20
    while left := _marked(cluster.folder):
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL if time.monotonic() > until - 15 else signal.SIGTERM)
        if time.monotonic() > until:
            raise RuntimeError(f"These processes of Ray do not end: {left}")
        time.sleep(0.3)
    for process in cluster.nodes.values():
        process.wait()


def _marked(folder: Path) -> list[int]:
    """Processes of this cluster and of its users, but for this one."""
    mark, found = f"{_MARK}={folder}".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            if mark in (place / "environ").read_bytes().split(b"\0") and state != "Z":
                found.append(int(place.name))
    return [number for number in found if number != os.getpid()]


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"No Ray here: {reason}")
    with ray_cluster() as up:
        environment = {**os.environ, **up.environment, "RAY_CLUSTER": up.address}
        sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)
