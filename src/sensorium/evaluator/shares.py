"""What the processes of one evaluation have found, put together."""

from typing import TypeVar

import torch

from sensorium.data.loader import BatchLoader

Part = TypeVar("Part")


def from_all(mine: list[Part], loader: BatchLoader) -> list[Part]:
    """What this process has found of its loader's batches, and the others of theirs; every process gets all."""
    processes = loader.sampler.plan.world_size
    if processes == 1:
        return mine
    gathered: list[list[Part]] = [[] for _ in range(processes)]
    torch.distributed.all_gather_object(gathered, mine)
    return [part for share in gathered for part in share]
