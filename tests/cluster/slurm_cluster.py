"""A real SLURM of two nodes on this machine: munged, slurmctld and two slurmd, everything in a temporary folder.

As a program it runs a command with the cluster up: python tests/cluster/slurm_cluster.py COMMAND ...
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
NODES = ("node1", "node2")
PARTITION = "small"
# Of util-linux: what is started is told to end when this process is gone, even killed.
ENDS_WITH_US = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
_PATIENCE = 60.0  # seconds in which the cluster has to be up

CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=0
JobRequeue=1
KillWait=20
MinJobAge=300
SlurmdTimeout=10
TreeWidth=50
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} State=UNKNOWN
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} State=UNKNOWN
PartitionName={partition} Nodes=ALL Default=YES MaxTime=60 State=UP OverSubscribe=NO
"""


@dataclass
class Cluster:
    """environment: with which the commands of SLURM find it."""

    folder: Path
    environment: dict[str, str]
    daemons: "dict[str, subprocess.Popen[bytes]]"

    def tell(self, *command: str) -> str:
        """What a command of SLURM prints. Raises CalledProcessError with its error."""
        done = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout

    def state(self, job: str) -> str:
        """PENDING, RUNNING ... of a job that has not been forgotten; "" for one that has."""
        return self.tell("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()

    def node_of(self, job: str) -> str:
        """Where a job runs."""
        return self.tell("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%N").strip()


def missing() -> list[str]:
    """Programs that are not there, and what else it takes."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


def why_not() -> str:
    """Why no cluster can be started here; "" for no reason."""
    if absent := missing():
        return f"{', '.join(absent)} not installed (Debian: apt-get install slurm-wlm munge)"
    return "" if os.geteuid() == 0 else "slurmd needs root to start the steps of a job"


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens to."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextmanager
def slurm(*, cpus: int = 2) -> Iterator[Cluster]:
    """The cluster, up; down and gone at the end, with every job in it."""
    with TemporaryDirectory(prefix="slurm-") as name, ExitStack() as held:
        folder = Path(name)
        cluster = Cluster(folder, {"SLURM_CONF": str(folder / "slurm.conf")}, {})
        held.callback(_end, cluster)
        _configure(folder, cpus)
        _start(cluster, "munged", *_munged(folder))
        _wait_for((folder / "munge.socket").exists, cluster)
        _start(cluster, "slurmctld", "-D", "-c")
        for node in NODES:
            _start(cluster, f"slurmd.{node}", "-D", "-N", node)
        _wait_for(lambda: _idle(cluster), cluster)
        yield cluster


def start_node(cluster: Cluster, node: str) -> None:
    """A node that was killed is back."""
    _start(cluster, f"slurmd.{node}", "-D", "-N", node)


def _configure(folder: Path, cpus: int) -> None:
    for name in ("state", *(f"spool.{node}" for node in NODES)):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    text = CONFIG.format(
        host=socket.gethostname(), folder=folder, ports=free_ports(3), nodes=NODES, cpus=cpus, partition=PARTITION
    )
    (folder / "slurm.conf").write_text(text)


def _munged(folder: Path) -> list[str]:
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "log-file": "munged.log"}
    return [
        "--foreground",
        "--force",  # the socket lies in a folder of this user's own
        f"--seed-file={folder / 'munge.seed'}",
        *(f"--{option}={folder / file}" for option, file in files.items()),
    ]


def _start(cluster: Cluster, name: str, *options: str) -> None:
    program = shutil.which(name.partition(".")[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    assert program is not None, f"{name} is not installed"
    with (cluster.folder / f"{name}.out").open("ab") as output:
        cluster.daemons[name] = subprocess.Popen(
            [*ENDS_WITH_US, program, *options],
            env={**os.environ, **cluster.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _idle(cluster: Cluster) -> bool:
    try:
        found = cluster.tell("sinfo", "--noheader", "--Node", "--format=%N %T").split("\n")
    except subprocess.CalledProcessError:
        return False
    return sum(line.endswith(" idle") for line in found) == len(NODES)


def _wait_for(done: "object", cluster: Cluster) -> None:
    until = time.monotonic() + _PATIENCE
    while not done():  # type: ignore[operator]
        ended = [name for name, process in cluster.daemons.items() if process.poll() is not None]
        if ended or time.monotonic() > until:
            logs = "\n".join(
                f"-- {path.name}\n{path.read_text(errors='replace')[-1500:]}"
                for path in sorted([*cluster.folder.glob("*.log"), *cluster.folder.glob("*.out")])
            )
            raise RuntimeError(f"SLURM did not start; ended: {ended}\n{logs}")
        time.sleep(0.2)


def _end(cluster: Cluster) -> None:
    """Cancels what runs, then ends the daemons and every process that belongs to the cluster's folder."""
    live = cluster.daemons
    if "slurmctld" in live and live["slurmctld"].poll() is None:
        subprocess.run(
            ["scancel", "--full", "--signal=KILL", "--user=root"],
            env={**os.environ, **cluster.environment},
            capture_output=True,
            timeout=60,
            check=False,
        )
        until = time.monotonic() + 10
        while _steps(cluster.folder) and time.monotonic() < until:
            time.sleep(0.2)
    for name in reversed(live):
        live[name].send_signal(signal.SIGTERM)
    for process in live.values():
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for number in _steps(cluster.folder):
        os.kill(number, signal.SIGKILL)


def _steps(folder: Path) -> list[int]:
    """Processes that slurmd started and that use this cluster."""
    marker, found = f"SLURM_CONF={folder}/".encode(), []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (place / "environ").read_bytes() and int(place.name) != os.getpid():
                found.append(int(place.name))
        except OSError:
            continue
    daemons = {b"slurmctld", b"slurmd", b"munged"}
    return [number for number in found if _name(number) not in daemons and number != os.getpid()]


def _name(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/comm").read_bytes().strip()
    except OSError:
        return b""


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(f"No SLURM here: {reason}")
    with slurm() as up:
        sys.exit(subprocess.run(sys.argv[1:], env={**os.environ, **up.environment}, check=False).returncode)
