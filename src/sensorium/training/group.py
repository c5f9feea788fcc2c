"""A process's part in the group that trains together: from the moment it joins to the moment it leaves."""

import os
import re
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed
from torch.distributed import PrefixStore, TCPStore

from sensorium import distributed
from sensorium.distributed import agree, from_first, gather, host, local_rank, rank, world_size
from sensorium.errors import RunError
from sensorium.files import write_atomically
from sensorium.runs import RunFolder
from sensorium.training.heartbeat import GONE_AFTER, LOST, Heartbeat
from sensorium.training.interrupts import stop_signals


def join() -> None:
    """Makes this process one of its group, and lets the others see that it lives. Does nothing for a run on one
    process. Raises RunError where the others cannot be met.
    """
    if world_size() == 1 or torch.distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank())
    try:
        torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        token = agree(secrets.token_hex(4))  # torchrun keeps its store when it starts the processes again
        hosts = gather([host()], processes=world_size())
        life = Heartbeat(PrefixStore(token, _store()), rank=rank(), hosts=hosts)
        gather([None], processes=world_size())
    except RuntimeError as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        why = str(error).splitlines()[0]
        raise RunError(
            f"Process {rank()} on {host()} could not meet the {world_size() - 1} others at {where}: {why}\n"
            "Every host must reach that address, and the others at any port."
        ) from error
    life.start()
    _alive.append(life)


_alive: list[Heartbeat] = []  # of this process, once it has joined a group


def _store() -> TCPStore:
    """A connection of its own to where the group has met: one that others use may be busy waiting."""
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return TCPStore(address, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=GONE_AFTER))


def leave(how: str = "") -> None:
    """Ends this process's part in its group. Left to the interpreter's exit, gloo's threads may abort the process.

    how: the error that it ends with.
    """
    while _alive:
        _alive.pop().leave(how)
    if world_size() > 1 and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def others_watched() -> Iterator[None]:
    """Inside, a connection that is closed because another process is gone is a RunError that says who it is."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or _CONNECTION.search(str(error))
        if not _alive or not lost:
            raise
        for number in stop_signals():  # torchrun sends one as soon as it sees it too; this ends in some seconds anyway
            signal.signal(number, signal.SIG_IGN)
        found = _alive[0].lost()
        leave(LOST)
        raise found from error


def resumes(run: RunFolder) -> None:
    """From now on, a process that ends because another is gone says how this run is resumed."""
    done, most = (int(os.environ.get(f"TORCHELASTIC_{name}", "0")) for name in ("RESTART_COUNT", "MAX_RESTARTS"))
    same = ", on every host," if distributed.hosts() > 1 else ""
    for life in _alive:
        life.resume = f"Resume{same} with: sensorium train resume={run.folder}"
        if done < most:
            life.resume = (
                f"torchrun starts the processes again ({done + 1} of {most}), to resume from the last checkpoint."
            )
            # For 15 seconds torchrun takes a host that is gone for one that is there, and would begin again with it.
            life.stale_after = GONE_AFTER


# What gloo and NCCL say of a connection in a plain RuntimeError.
_CONNECTION = re.compile(r"gloo|NCCL|Connection (closed|reset|refused)|Broken pipe|Socket Timeout")


def remember(run: RunFolder) -> None:
    """Lets the processes that torchrun starts in the place of these find their run, until it is done."""
    if rank() == 0 and _restarts():
        write_atomically(_note(run.folder), _starter())


def forget(run: RunFolder) -> None:
    """The run is done: what is trained next by the same processes is another."""
    if rank() == 0:
        _note(run.folder).unlink(missing_ok=True)


def remembered(root: Path, name: str) -> RunFolder | None:
    """The run of this dataset and model that the same torchrun has started before; None for a first start."""

    def found() -> RunFolder | None:
        notes = (root / name).glob(f"*/{_note(Path()).name}")
        return next((RunFolder(note.parent) for note in notes if note.read_text() == _starter()), None)

    return from_first(found) if _restarts() else None


def _restarts() -> bool:
    """Whether torchrun has started this process, and may start another in its place."""
    return "TORCHELASTIC_RESTART_COUNT" in os.environ


def _note(folder: Path) -> Path:
    return folder / ".torchrun"


def _starter() -> str:
    """Which process has started this one: its number, and when that was started, since numbers are used again."""
    parent = os.getppid()
    stat = Path(f"/proc/{parent}/stat")  # on Linux; the number alone elsewhere
    started = stat.read_text().rpartition(")")[2].split()[19] if stat.exists() else ""
    return f"{host()} {parent} {started}\n"
