"""The rank of this process from torchrun's environment variables, and exchange between the processes of a run."""

import os
from typing import TypeVar

import torch

Part = TypeVar("Part")


def world_size() -> int:
    """Processes in this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's place among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def gather(mine: list[Part], *, processes: int) -> list[Part]:
    """The results of this process and of the others, in the order of the processes; every process gets all."""
    if processes == 1:
        return mine
    gathered: list[list[Part]] = [[] for _ in range(processes)]
    torch.distributed.all_gather_object(gathered, mine)
    return [part for share in gathered for part in share]
