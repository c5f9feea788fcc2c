"""One run on several processes.

Every process is told its place by the same environment variables as under torchrun, whoever started it, so there is
one way in. `sensorium train strategy=ddp trainer.devices=2` starts the processes itself, each as
`sensorium train resume=RUN`; a run folder without a checkpoint is a run that starts at its beginning.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from types import FrameType
from typing import Any

import torch
import torch.distributed

from sensorium.build import device_of
from sensorium.errors import RequestError
from sensorium.runs import Run


def world_size() -> int:
    """Processes in this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's place among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_launched() -> bool:
    """Whether this process is one of a group, ours or torchrun's."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_spawned(run: Run) -> bool:
    """Whether this process is one of those that `spawn` started for a run."""
    return os.environ.get("TORCHELASTIC_RUN_ID") == run.folder.name


def wanted_processes(trainer: dict[str, Any]) -> int:
    """Processes a run asks for: trainer.devices, a number, a list of devices, or auto (all GPUs, one CPU process)."""
    devices = trainer["devices"]
    if isinstance(devices, list):
        return len(devices)
    if devices in ("auto", -1, "-1"):
        return max(1, torch.cuda.device_count()) if device_of(str(trainer["accelerator"])).type == "cuda" else 1
    if not str(devices).isdigit() or int(devices) < 1:
        raise RequestError(f"trainer.devices={devices} is not possible. Take auto or a number from 1.")
    return int(devices)


def check_devices(trainer: dict[str, Any]) -> None:
    """Refuses devices that this machine does not have, and a strategy that they cannot carry out."""
    device = device_of(str(trainer["accelerator"]))
    wanted_processes(trainer)
    if trainer["strategy"] == "fsdp" and device.type != "cuda":
        raise RequestError(
            "strategy=fsdp needs a GPU (accelerator=gpu): it spreads the parameters of a model over several.\n"
            "Take strategy=ddp for several processes on the CPU, or strategy=auto."
        )


def join() -> None:
    """Makes this process one of its group. Does nothing for a run on one process."""
    if world_size() == 1 or torch.distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")


def leave() -> None:
    """Ends this process's part in its group. Left to the interpreter's exit, gloo's threads may abort the process."""
    if world_size() > 1 and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def adopt(trainer: dict[str, Any]) -> None:
    """Makes the config of a run say what the group is."""
    if world_size() == 1:
        return
    trainer["devices"] = int(os.environ["LOCAL_WORLD_SIZE"])
    trainer["num_nodes"] = world_size() // trainer["devices"]
    if trainer["strategy"] == "auto":
        trainer["strategy"] = "ddp"


def agree(value: Any) -> Any:
    """The first process's value, in every process."""
    if world_size() == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def spawn(run: Run, processes: int) -> int:
    """Runs the training of a run folder on several processes of this machine; the exit status of the first to fail.

    SIGTERM and SIGINT are passed on, so that the group stops together at a point it can be resumed from.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group: list[subprocess.Popen[bytes]] = []
    for number in range(processes):
        place = {
            "RANK": number,
            "LOCAL_RANK": number,
            "GROUP_RANK": 0,
            "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "TORCHELASTIC_RUN_ID": run.folder.name,
            "TORCHELASTIC_USE_AGENT_STORE": "False",
        }
        # torch's own advice on how it shares gradients is nothing that a person could follow.
        quiet = {"TORCH_CPP_LOG_LEVEL": "ERROR"}
        environment = quiet | dict(os.environ) | {key: str(value) for key, value in place.items()}
        command = [sys.executable, "-m", "sensorium", "train", f"resume={run.folder}"]
        group.append(subprocess.Popen(command, env=environment, start_new_session=True))

    def pass_on(number: int, frame: FrameType | None) -> None:
        for member in group:
            member.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return _wait(group)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
