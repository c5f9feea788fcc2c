"""Which examples make which batch: a pure function of (seed, epoch), the same on any number of readers.

Over several processes, training gives every process its share of each global batch; evaluation gives out whole batches
in turn, so that each example is seen once and in the company it would have with one process.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sensorium.errors import RequestError
from sensorium.randomness import generator


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """What a run says about its batches.

    size: examples a process sees at a step. tokens: padded tokens of a batch at most, for examples of different
    lengths; None for no such limit. shuffle: for training. rank, world_size: this process and their number.
    """

    size: int
    shuffle: bool
    seed: int
    tokens: int | None = None
    rank: int = 0
    world_size: int = 1


class Order(ABC):
    """The batches of an epoch, by row numbers. Their number is the same in every epoch.

    by_tokens: whether a batch can be limited by its tokens (`BatchPlan.tokens`). one_pass: whether an epoch can be
    nothing but one pass over the data.
    """

    by_tokens: ClassVar[bool] = False
    one_pass: ClassVar[bool] = False

    def __init__(self, plan: BatchPlan) -> None:
        self.plan = plan
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before each epoch."""
        self.epoch = epoch

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        """The rows (B,) int64 of each batch of this epoch, from batch number `start` on."""


class BatchOrder(Order):
    """Examples that are all alike: equal batches, shuffled by a permutation drawn from (seed, epoch).

    num_examples: N.
    """

    def __init__(self, *, num_examples: int, plan: BatchPlan) -> None:
        super().__init__(plan)
        self.num_examples = num_examples

    def __len__(self) -> int:
        size, world_size = self.plan.size, self.plan.world_size
        if self.plan.shuffle:
            # A last training batch of fewer examples than processes would leave one without work.
            whole, rest = divmod(self.num_examples, size * world_size)
            return whole + (rest >= world_size)
        batches = -(-self.num_examples // size)
        return len(range(self.plan.rank, batches, world_size))

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        size, rank, world_size = self.plan.size, self.plan.rank, self.plan.world_size
        rows = self._rows()
        if not self.plan.shuffle:
            for number in range(start, len(self)):
                first = (rank + number * world_size) * size
                yield rows[first : first + size]
            return
        step = size * world_size
        for number in range(start, len(self)):
            together = rows[number * step : (number + 1) * step]
            share = len(together) // world_size
            yield together[rank * share : (rank + 1) * share]

    def _rows(self) -> np.ndarray:
        """All rows in the order of this epoch, or as they are."""
        if not self.plan.shuffle:
            return np.arange(self.num_examples)
        return generator(self.plan.seed, self.epoch).permutation(self.num_examples)


class LengthOrder(Order):
    """Examples of different lengths: those of about one length together, so that little is filled up.

    Lengths fall into bins, each a tenth wider than the one before. Every epoch shuffles the examples inside each bin
    and the order of the batches; what does not fill a batch moves on to the next longer bin. So every batch stays
    inside its limits, and their number does not change from epoch to epoch.

    lengths: (N,) int64 tokens of each example.
    """

    by_tokens = True

    def __init__(self, *, lengths: np.ndarray, plan: BatchPlan) -> None:
        super().__init__(plan)
        self.lengths = lengths
        self._bin_of, tops = _bins(lengths)
        self._bins = [np.flatnonzero(self._bin_of == number) for number in range(len(tops))]
        self._tops = tops
        self._count = sum(1 for _ in self._cut(self._bins))

    def __len__(self) -> int:
        return self._count if self.plan.shuffle else len(range(self.plan.rank, self._count, self.plan.world_size))

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        rank, world_size = self.plan.rank, self.plan.world_size
        if not self.plan.shuffle:
            yield from list(self._cut(self._bins))[rank::world_size][start:]
            return
        random = generator(self.plan.seed, self.epoch)
        together = list(self._cut([random.permutation(rows) for rows in self._bins]))
        for number in random.permutation(len(together))[start:]:
            yield together[number][rank::world_size]

    def padding(self) -> float:
        """Share of padding among the tokens of an epoch; for the batches as they fall without shuffling."""
        padded = sum(len(rows) * int(self.lengths[rows].max()) for rows in self._cut(self._bins))
        return 1 - float(self.lengths.sum()) / padded

    def _cut(self, bins: list[np.ndarray]) -> Iterator[np.ndarray]:
        """Batches (of all processes together) from the rows of each bin, short ones first."""
        processes = self.plan.world_size if self.plan.shuffle else 1
        carried = np.empty(0, dtype=np.int64)
        for rows, top in zip(bins, self._tops, strict=True):
            size = self._size(top) * processes
            rows = np.concatenate([carried, rows])
            whole = len(rows) // size * size
            yield from rows[:whole].reshape(-1, size)
            carried = rows[whole:]
        # A last training batch of fewer examples than processes would leave one without work.
        if len(carried) >= processes:
            yield carried

    def _size(self, top: int) -> int:
        """Examples in a batch of texts of up to `top` tokens."""
        return max(1, min(self.plan.size, self.plan.tokens // top if self.plan.tokens else self.plan.size))


def _bins(lengths: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The bin (N,) of each length, and the longest length of each bin."""
    tops, longest = [1], int(lengths.max(initial=1))
    while tops[-1] < longest:
        tops.append(max(tops[-1] + 1, tops[-1] * 11 // 10))
    used, numbers = np.unique(np.searchsorted(tops, lengths), return_inverse=True)
    # The longest there is, not the longest there could be: a budget of tokens then holds more of them.
    return numbers, [max(1, int(lengths[numbers == number].max())) for number in range(len(used))]


_LONG = 32  # segments of a stream in evaluation, at least


class StreamOrder(Order):
    """Running text in as many streams as a batch has rows, each read from its beginning to its end.

    Row i of a batch continues where row i of the previous batch ended, so that a state can be carried over. Over
    several processes each has streams of its own. An epoch begins a little later in the text than the one before, so
    that the cuts fall elsewhere. What does not fill a segment for all streams at the end is dropped from an epoch of
    training; evaluation has one more, shorter round of batches for it.

    num_tokens: N, the last of which is only ever a target. context: T, tokens of a segment.
    """

    one_pass = True

    def __init__(self, *, num_tokens: int, context: int, plan: BatchPlan) -> None:
        super().__init__(plan)
        self.context = context
        self.num_positions = num_tokens - 1
        streams = plan.size * plan.world_size if plan.shuffle else plan.size
        # In training the first, shifted segment of each epoch is not counted on.
        stretches = self.num_positions // context - plan.shuffle
        processes = plan.world_size if plan.shuffle else 1
        if processes > max(1, stretches):
            raise RequestError(
                f"A text of {num_tokens:,} tokens is too short for {processes} processes that read {context} at a time."
                "\nTake fewer devices or a smaller context."
            )
        # A stream is evaluated from an empty state on: few long ones say more of a model than many short ones.
        longest = stretches if plan.shuffle else stretches // _LONG
        self.streams = max(1, min(streams, longest)) // processes * processes
        self._per_stream = max(1, stretches // self.streams)

    def __len__(self) -> int:
        rest = 0 if self.plan.shuffle else -(-self._left_over() // self.context)
        return self._per_stream + rest

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        """Where in the text (B,) each segment begins."""
        length = self._per_stream * self.context
        shift = int(generator(self.plan.seed, self.epoch).integers(self._shifts)) if self.plan.shuffle else 0
        firsts = shift + np.arange(self.streams) * length
        if self.plan.shuffle:
            firsts = firsts[self.plan.rank :: self.plan.world_size]
        for number in range(start, len(self)):
            if number < self._per_stream:
                yield firsts + number * self.context
            else:
                done = self.streams * length
                yield np.array([done + (number - self._per_stream) * self.context])

    @property
    def _shifts(self) -> int:
        """How many different beginnings an epoch can have; just one for a text hardly longer than a segment."""
        return min(self.context, max(1, self._left_over() + 1))

    def _left_over(self) -> int:
        return self.num_positions - self.streams * self._per_stream * self.context
