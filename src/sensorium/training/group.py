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
from sensorium.errors import RequestError, RunError
from sensorium.group_place import LAUNCHED
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
    """Lets the processes that torchrun starts in the place of these find their run."""
    if rank() == 0 and _keeps_store():
        _store().set(_run_key(), str(run.folder))


def remembered() -> RunFolder | None:
    """The run that torchrun had started before it started its processes again; None for a first start."""

    def found() -> RunFolder | None:
        store = _store()
        if not store.check([_run_key()]):
            return None
        run = RunFolder(Path(store.get(_run_key()).decode()))
        if run.config.exists():
            return run
        if run.folder.parent.exists():  # refused, and taken away again
            return None
        raise RequestError(
            f"torchrun started the processes again, and {host()}, now the first host, has no {run.folder}.\n"
            "Put run_root on a disk that all hosts share."
        )

    return from_first(found) if _keeps_store() else None


def _run_key() -> str:
    return f"sensorium/{os.environ[LAUNCHED]}/run"


def _keeps_store() -> bool:
    """Whether the store is torchrun's own, and outlives the processes."""
    return world_size() > 1 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
