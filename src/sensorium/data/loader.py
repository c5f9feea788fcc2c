"""Batches in the order of an `Order`, read straight from a split by threads.

No worker processes: a batch is one indexed read from a memory map, and what has to be decoded is decoded by Pillow,
which frees the interpreter lock. The order does not depend on the number of threads or processes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sensorium.batches import Batch
from sensorium.data.order import Order
from sensorium.data.prefetch import in_order


class BatchLoader:
    """Iterates over the batches of one split; `len()` is the number of batches in an epoch.

    Lightning sets the epoch through `sampler`, and keeps `state_dict()` in its checkpoints, so that a run resumed in
    the middle of an epoch continues with the very next batch.

    readers: threads that read ahead; 0 reads in the caller's thread. pin: page-locked tensors, for a GPU.
    """

    def __init__(self, *, split: Any, order: Order, readers: int = 1, pin: bool = False) -> None:
        self.split, self.sampler, self.readers, self.pin = split, order, readers, pin
        self.batch_sampler = None  # Lightning looks for both kinds, as a torch DataLoader has them
        self._given = (0, 0)
        self._resume: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.sampler)

    @property
    def batch_size(self) -> int:
        return self.sampler.plan.size

    @property
    def processes(self) -> int:
        """Processes that share the batches of this split."""
        return self.sampler.plan.world_size

    def read(self, rows: np.ndarray) -> Batch:
        """The batch of these rows."""
        batch = self.split.read(rows)
        return type(batch)(*(tensor.pin_memory() for tensor in batch)) if self.pin else batch

    def __iter__(self) -> Iterator[Any]:
        # A generator: the epoch is looked up at the first batch, after Lightning has set it.
        epoch, resume = self.sampler.epoch, self._resume
        self._resume = None
        start = resume[1] if resume is not None and resume[0] == epoch else 0
        batches = self.sampler.batches(start)
        ahead = self.readers > 0
        read = in_order(self.read, batches, threads=self.readers, name="reader") if ahead else map(self.read, batches)
        for number, batch in enumerate(read, start):
            self._given = (epoch, number + 1)
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Epoch and number of batches given out in it."""
        epoch, given = self._given
        return {"epoch": self.sampler.epoch, "given": given if epoch == self.sampler.epoch else 0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next iteration over the saved epoch leaves out the batches already given."""
        self._resume = (state["epoch"], state["given"])
