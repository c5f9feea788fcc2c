"""The rank of this process from torchrun's environment variables, and exchange between the processes of a run."""

import os
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed

from sensorium.errors import SensoriumError

Part = TypeVar("Part")


def world_size() -> int:
    """Processes in this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's place among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def local_rank() -> int:
    """This process's place among those of its host, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def hosts() -> int:
    """Hosts that this run is on."""
    return world_size() // int(os.environ.get("LOCAL_WORLD_SIZE", world_size()))


def host() -> str:
    """The name of this one."""
    return socket.gethostname()


def own_rows(value: torch.Tensor) -> torch.Tensor:
    """What this process has of a tensor that the processes share out (strategy=fsdp); any other as it is."""
    return value.to_local() if hasattr(value, "to_local") else value


def gather(mine: list[Part], *, processes: int) -> list[Part]:
    """The results of this process and of the others, in the order of the processes; every process gets all."""
    if processes == 1:
        return mine
    gathered: list[list[Part]] = [[] for _ in range(processes)]
    torch.distributed.all_gather_object(gathered, mine)
    return [part for share in gathered for part in share]


def agree(value: Any) -> Any:
    """The first process's value, in every process."""
    if world_size() == 1:
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


def from_first(make: Callable[[], Part]) -> Part:
    """What the first process makes, in every process: what it reads, the others may have no disk to read from.

    What it raises to be read by the user, every process raises.
    """
    if world_size() == 1:
        return make()
    made: tuple[Part | None, SensoriumError | None] = (None, None)
    if rank() == 0:
        try:
            made = (make(), None)
        except SensoriumError as error:
            made = (None, error)
    value, refused = agree(made)
    if refused is not None:
        raise refused
    found: Part = value
    return found


def together(make: Callable[[], Part]) -> Part:
    """What each process makes for itself, such as the data that it reads. Where one raises an error to be read by the
    user, every process raises it, with the name of the host.
    """
    if world_size() == 1:
        return make()
    made, refused = None, None
    try:
        made = make()
    except SensoriumError as raised:
        refused = raised
    answers = gather([(host(), refused)], processes=world_size())
    for where, error in answers:
        if error is not None:
            everywhere = all(str(other) == str(error) for _, other in answers)
            raise error if everywhere else type(error)(f"on {where}: {error}")
    found: Part = made  # type: ignore[assignment]
    return found
