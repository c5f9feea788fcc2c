"""One run on several processes.

Every process gets its rank from the same environment variables as under torchrun, however it was started, so there is
one way in. `sensorium train strategy=ddp trainer.devices=2` starts the processes itself, each as
`sensorium train resume=RUN`; a run folder without a checkpoint is a run that starts at its beginning.
"""

import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from sensorium.build import device_of
from sensorium.distributed import world_size
from sensorium.errors import RequestError, as_typed
from sensorium.group_place import LAUNCHED
from sensorium.output import leave_closed_outputs
from sensorium.parent import start_child
from sensorium.run_config import RunConfig
from sensorium.runs import RunFolder
from sensorium.training.interrupts import stop_signals

_MEMORY = Path("/proc/meminfo")


def is_launched() -> bool:
    """Whether this process is one of a group, ours or torchrun's."""
    return LAUNCHED in os.environ


def wanted_processes(trainer: Mapping[str, Any], *, force: bool = False) -> int:
    """Processes a run asks for: trainer.devices, a number, a list of devices, or auto (all GPUs, one CPU process).

    Raises RequestError for more than the machine has GPUs, or cores for training on the CPU: each would wait for the
    others at every step, and all need memory. Where torchrun started the group, the number is its own. force: more
    processes than cores are wanted all the same, such as to try a large group on a small machine.
    """
    devices, device = trainer["devices"], device_of(str(trainer["accelerator"])).type
    if devices in ("auto", -1, "-1"):
        return max(1, torch.cuda.device_count()) if device == "cuda" else 1
    if isinstance(devices, list):
        if device == "cpu":
            raise RequestError(
                f"trainer.devices={as_typed(devices)} names GPUs, and accelerator is cpu. Give a number."
            )
        wanted = len(devices)
    else:
        wanted = int(devices) if str(devices).isdecimal() else 0
    if wanted < 1:
        raise RequestError(f"trainer.devices={devices} is not possible. Take auto or a number from 1.")
    count, what = available(device)
    if wanted > count and not is_launched() and not (force and device == "cpu"):
        allowed = f"a number from 1 to {count}" if count > 1 else "1"
        raise RequestError(
            f"trainer.devices={devices} is not possible: there {what}. Allowed: auto or {allowed}."
            + (" More are slower; force=true starts them all the same." if device == "cpu" else "")
        )
    return wanted


def available(device: str) -> tuple[int, str]:
    """The most processes that a kind of device is good for, and why."""
    count, name = {"cuda": (torch.cuda.device_count(), "GPU"), "mps": (1, "GPU")}.get(device, (cores(), "CPU core"))
    return count, f"is 1 {name}" if count == 1 else f"are {count} {name}s"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_devices(trainer: Mapping[str, Any], *, force: bool = False) -> None:
    """Rejects devices that this machine does not have, and nodes that are never started."""
    wanted_processes(trainer, force=force)
    if trainer.get("num_nodes", 1) != 1 and not is_launched():
        raise RequestError(
            f"trainer.num_nodes={trainer['num_nodes']}: several machines are started with torchrun, on each of them:\n"
            "torchrun --nnodes=N --nproc_per_node=P -m sensorium train ..., without trainer.num_nodes."
        )


def with_world_size(config: RunConfig) -> RunConfig:
    """The config with the devices, nodes and strategy of the group that this process is in."""
    if world_size() == 1:
        return config
    devices = int(os.environ["LOCAL_WORLD_SIZE"])
    strategy = config.trainer["strategy"]
    return config.with_values(
        "trainer",
        devices=devices,
        num_nodes=world_size() // devices,
        strategy="ddp" if strategy == "auto" else strategy,
    )


def spawn(run: RunFolder, processes: int, *, lock: int | None = None) -> int:
    """Runs the training of a run folder on several processes of this machine; the exit status of the first to fail.

    lock: an open file that locks the run, which stays locked as long as one of them lives. Signals to stop are passed
    on, so that the group stops together at a point it can be resumed from.
    """
    _check_memory(processes)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        leave_closed_outputs()
        for member in group:
            member.send_signal(number)

    # The group reads from a pipe that only this process can write to. It closes when this process ends, even killed.
    reader, writer = os.pipe()
    before = {}
    try:
        for number in range(processes):
            group.append(_start(run, number, processes, port=port, parent=reader, lock=lock))
        before = {number: signal.signal(number, pass_on) for number in stop_signals()}
        return _wait(group)
    finally:
        os.close(writer)
        os.close(reader)
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_memory(processes: int) -> None:
    """Rejects more processes than fit: each needs at least what this one has, which has built and read nothing yet.

    Only Linux says how much is free.
    """
    free = re.search(r"MemAvailable: *(\d+) kB", _MEMORY.read_text()) if _MEMORY.exists() else None
    if free is None:
        return
    each, available = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, int(free[1]) / 1e6
    if processes * each > available:
        raise RequestError(
            f"trainer.devices={processes} is not possible: {processes} processes need {processes * each:.1f} GB of "
            f"memory at least, and {available:.1f} GB are free.\nTake at most {max(1, int(available / each))}."
        )


def _start(
    run: RunFolder, number: int, processes: int, *, port: int, parent: int, lock: int | None
) -> "subprocess.Popen[bytes]":
    """One process of a group, given its rank. parent: the end of the pipe to read from. lock: as in `spawn`."""
    place = {
        "RANK": number,
        "LOCAL_RANK": number,
        "GROUP_RANK": 0,
        "WORLD_SIZE": processes,
        "LOCAL_WORLD_SIZE": processes,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        LAUNCHED: run.folder.name,
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }
    # torch's own advice on how it shares gradients is nothing that a user could follow.
    quiet = {"TORCH_CPP_LOG_LEVEL": "ERROR"}
    environment = quiet | dict(os.environ) | {key: str(value) for key, value in place.items()}
    kept = [] if lock is None else [lock]
    return start_child(["train", f"resume={run.folder}"], environment, parent=parent, kept=kept)


def _wait(group: list[subprocess.Popen[bytes]], *, patience: float = 30.0) -> int:
    """Waits for all; when one fails the others, which may wait for it for ever, have some seconds to end by themselves.

    Returns the exit status of the first seen to fail.
    """
    waiting, failed = list(group), 0
    while waiting:
        for member in list(waiting):
            try:
                status = member.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            waiting.remove(member)
            if status != 0 and not failed:
                failed = status if status > 0 else 128 - status
                _end(waiting, patience)
    return failed


def _end(group: list[subprocess.Popen[bytes]], patience: float) -> None:
    """Kills what does not end by itself; a signal that can be caught would only be remembered."""
    until = time.monotonic() + patience
    for member in group:
        try:
            member.wait(timeout=max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            member.kill()
