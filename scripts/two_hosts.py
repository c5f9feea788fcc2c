"""Two hosts on one machine, to try a training on several machines without having them.

    sudo .venv/bin/python scripts/two_hosts.py train dataset=digits accelerator=cpu trainer.max_epochs=2

Each host is a set of Linux namespaces: a network of its own, a process table of its own, a host name. Virtual cables
(veth) to a switch (a bridge in a third set) are all that connects them. `sensorium ARGUMENTS` is started by torchrun on
both. Needs Linux, root, and the programs ip, unshare and nsenter (Debian: iproute2, util-linux).

Nothing is left behind, however this program ends: the first process of a host reads from a pipe that only this program
can write to; when the pipe closes, that process ends, and the system then kills every other process of the host
and takes its network away.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIRST, SECOND, PORT = "10.77.0.1", "10.77.0.2", 29400
_DEVICE, _BRIDGE = "net0", "bridge0"


def missing() -> str | None:
    """Why there can be no two hosts here; None where there can."""
    absent = [name for name in ("ip", "unshare", "nsenter") if shutil.which(name) is None]
    if absent:
        return f"two hosts need the programs {', '.join(absent)}"
    if os.geteuid() != 0:
        return "two hosts need root"
    tried = subprocess.run(["unshare", *_SEPARATE, "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"two hosts need namespaces: {tried.stderr.strip()}"


_SEPARATE = ("--net", "--pid", "--uts", "--mount", "--mount-proc", "--fork")


class Space:
    """Namespaces with a name, whose processes and network end with them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.boot()

    def boot(self) -> None:
        """Starts it; once more after `kill`."""
        nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._first = subprocess.Popen(["unshare", *_SEPARATE, "cat"], stdin=subprocess.PIPE, **nowhere)
        try:
            self.number = _child_of(self._first)
            self.configure()
        except BaseException:
            self.kill()
            raise

    def configure(self) -> None:
        """Gives it its name and its network."""
        self.run("hostname", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def start(self, command: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """A process on this host. options: of subprocess.Popen."""
        enter = ["nsenter", "--target", str(self.number), "--net", "--pid", "--uts", "--mount"]
        working = Path(options.get("cwd") or Path.cwd())
        return subprocess.Popen([*enter, f"--wdns={working}", "--", *command], **options)

    def run(self, *command: str) -> str:
        """What a short program prints. Raises CalledProcessError for one that fails."""
        with self.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            output, _ = process.communicate(timeout=30)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, output)
        return str(output)

    def kill(self) -> None:
        """As a power failure: all its processes get SIGKILL, and its network is gone."""
        if self._first.poll() is None and hasattr(self, "number"):
            os.kill(self.number, signal.SIGKILL)
        assert self._first.stdin is not None
        self._first.stdin.close()
        self._first.wait()


def _child_of(parent: "subprocess.Popen[bytes]", *, patience: float = 10.0) -> int:
    """The process that `unshare` starts inside the namespaces, once it has become the program asked for."""
    until = time.monotonic() + patience
    while time.monotonic() < until and parent.poll() is None:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        if children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "cat":
            return int(children[0])
        time.sleep(0.01)
    raise RuntimeError("unshare did not start")


class Host(Space):
    """A host with a cable to a switch. address: its own, in the network that all have in common."""

    def __init__(self, name: str, address: str, switch: Space) -> None:
        self.address, self.switch = address, switch
        super().__init__(name)

    def configure(self) -> None:
        super().configure()
        ends = ((_DEVICE, self), (self.name, self.switch))
        here, there = ((end, "netns", str(space.number)) for end, space in ends)
        # A hardware address of its own, also after `boot`: the other host remembers it for half a minute.
        hardware = "02:00:" + ":".join(f"{int(part):02x}" for part in self.address.split("."))
        cable = ["ip", "link", "add", *here, "address", hardware, "type", "veth", "peer", *there]
        subprocess.run(cable, check=True, capture_output=True, text=True)
        self.switch.run("ip", "link", "set", self.name, "master", _BRIDGE, "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", _DEVICE)
        self.run("ip", "link", "set", _DEVICE, "up")
        names = f"{FIRST} host-a\\n{SECOND} host-b\\n"
        made = f"mount -t tmpfs names /mnt && cp /etc/hosts /mnt/hosts && printf '{names}' >> /mnt/hosts"
        self.run("sh", "-c", f"{made} && mount --bind /mnt/hosts /etc/hosts && umount -l /mnt")

    def unshared(self, folder: Path) -> None:
        """From now on this host has a folder of its own at this path, on a disk that no other host sees."""
        self.run("mount", "-t", "tmpfs", "own", str(folder))

    def processes(self, containing: str) -> list[int]:
        """Numbers, on the real machine, of the host's processes whose command line has a text in it."""
        space = Path(f"/proc/{self.number}/ns/pid").readlink()
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdecimal():
                continue
            try:
                here = (folder / "ns/pid").readlink() == space
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:  # it has ended meanwhile
                continue
            if here and containing in line:
                found.append(int(folder.name))
        return sorted(found)

    def cut(self) -> None:
        """Pulls the cable out at the switch."""
        self.switch.run("ip", "link", "set", self.name, "down")

    def mend(self) -> None:
        """Puts the cable back."""
        self.switch.run("ip", "link", "set", self.name, "up")

    def limit(self, *, mbit: float) -> None:
        """What leaves this host passes at so many megabits a second."""
        options = ["rate", f"{mbit}mbit", "burst", "256kb", "latency", "1s"]
        self.run("tc", "qdisc", "replace", "dev", _DEVICE, "root", "tbf", *options)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """host-a and host-b, connected; gone at the end."""
    switch = Space("switch")
    hosts: list[Host] = []
    try:
        switch.run("ip", "link", "add", _BRIDGE, "type", "bridge")
        switch.run("ip", "link", "set", _BRIDGE, "up")
        for name, address in (("host-a", FIRST), ("host-b", SECOND)):
            hosts.append(Host(name, address, switch))
        yield hosts[0], hosts[1]
    finally:
        for space in (*hosts, switch):
            space.kill()


def torchrun(
    host: Host,
    arguments: Sequence[str],
    *,
    processes: int = 1,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> "subprocess.Popen[Any]":
    """`sensorium ARGUMENTS` started by torchrun on one of the two hosts, which find each other at the first one's
    address. options: of torchrun. more: of subprocess.Popen.
    """
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes=2", f"--nproc_per_node={processes}"),
        *("--rdzv_backend=c10d", f"--rdzv_endpoint={FIRST}:{PORT}", f"--local_addr={host.address}"),
        f"--rdzv_conf=is_host={int(host.name == 'host-a')}",
        *options,
        *("-m", "sensorium", *arguments),
    ]
    return host.start(command, env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}, **more)


def main() -> int:
    """Trains on two hosts; the exit status of the first of them that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--processes", type=int, default=1, help="on each host")
    parser.add_argument("--mbit", type=float, help="speed of the cable in megabits a second; needs tc")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of sensorium: train key=value ...")
    given = parser.parse_args()
    if why := missing():
        print(f"skipped: {why}")
        return 0
    with two_hosts() as hosts:
        if given.mbit:
            for host in hosts:
                host.limit(mbit=given.mbit)
        started = [torchrun(host, given.arguments, processes=given.processes) for host in hosts]
        return next((status for status in [process.wait() for process in started] if status), 0)


if __name__ == "__main__":
    sys.exit(main())
