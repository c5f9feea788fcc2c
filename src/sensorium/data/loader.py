"""Batches in an order that is a pure function of (seed, epoch), cut straight from a store by reader threads.

No worker processes: a batch is one indexed read from a memory map, and what has to be decoded is decoded by Pillow,
which frees the interpreter lock. The order does not depend on the number of threads or processes.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from sensorium.batches import ImageBatch
from sensorium.data.base import ImageSplit
from sensorium.randomness import generator


class BatchOrder:
    """Which examples make which batch.

    Shuffled order is a permutation drawn from (seed, epoch). Over several processes, training gives every process its
    equal share of each global batch; evaluation gives out whole batches in turn, so that each example is seen once and
    in the company it would have with one process.

    num_examples: N. batch_size: examples a process sees at a step. rank, world_size: this process and their number.
    """

    def __init__(
        self, *, num_examples: int, batch_size: int, shuffle: bool, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.num_examples, self.batch_size, self.shuffle, self.seed = num_examples, batch_size, shuffle, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        if self.shuffle:
            # A last training batch of fewer examples than processes would leave one without work.
            whole, rest = divmod(self.num_examples, self.batch_size * self.world_size)
            return whole + (rest >= self.world_size)
        batches = -(-self.num_examples // self.batch_size)
        return len(range(self.rank, batches, self.world_size))

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        """The rows (B,) int64 of each batch of this epoch, from batch number `start` on."""
        if not self.shuffle:
            rows = np.arange(self.num_examples)
            for number in range(start, len(self)):
                first = (self.rank + number * self.world_size) * self.batch_size
                yield rows[first : first + self.batch_size]
            return
        rows = generator(self.seed, self.epoch).permutation(self.num_examples)
        step = self.batch_size * self.world_size
        for number in range(start, len(self)):
            together = rows[number * step : (number + 1) * step]
            share = len(together) // self.world_size
            yield together[self.rank * share : (self.rank + 1) * share]


class BatchLoader:
    """Iterates over `ImageBatch`es of one split; `len()` is the number of batches in an epoch.

    Lightning sets the epoch through `sampler`, and keeps `state_dict()` in its checkpoints, so that a run resumed in
    the middle of an epoch goes on with the very next batch.

    readers: threads that read ahead; 0 reads in the caller's thread. pin: page-locked tensors, for a GPU.
    """

    def __init__(self, *, split: ImageSplit, order: BatchOrder, readers: int = 1, pin: bool = False) -> None:
        self.split, self.sampler, self.readers, self.pin = split, order, readers, pin
        self.batch_sampler = None  # Lightning looks for both kinds, as a torch DataLoader has them
        self._given = (0, 0)
        self._resume: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.sampler)

    @property
    def batch_size(self) -> int:
        return self.sampler.batch_size

    def read(self, rows: np.ndarray) -> ImageBatch:
        """The batch of these rows; images (B, C, H, W) uint8."""
        images = torch.from_numpy(self.split.images.read(rows))
        batch = ImageBatch(images, torch.from_numpy(self.split.labels[rows]), torch.from_numpy(rows))
        return ImageBatch(*(tensor.pin_memory() for tensor in batch)) if self.pin else batch

    def __iter__(self) -> Iterator[ImageBatch]:
        # A generator: the epoch is looked up at the first batch, after Lightning has set it.
        epoch, resume = self.sampler.epoch, self._resume
        self._resume = None
        start = resume[1] if resume is not None and resume[0] == epoch else 0
        batches = self.sampler.batches(start)
        read = self._read_ahead(batches) if self.readers else map(self.read, batches)
        for number, batch in enumerate(read, start):
            self._given = (epoch, number + 1)
            yield batch

    def _read_ahead(self, batches: Iterator[np.ndarray]) -> Iterator[ImageBatch]:
        with ThreadPoolExecutor(self.readers, thread_name_prefix="reader") as pool:
            waiting: deque[Future[ImageBatch]] = deque()
            try:
                for rows in batches:
                    waiting.append(pool.submit(self.read, rows))
                    if len(waiting) > 2 * self.readers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def state_dict(self) -> dict[str, Any]:
        """Epoch and number of batches given out in it."""
        epoch, given = self._given
        return {"epoch": self.sampler.epoch, "given": given if epoch == self.sampler.epoch else 0}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next iteration over the saved epoch leaves out the batches already given."""
        self._resume = (state["epoch"], state["given"])
