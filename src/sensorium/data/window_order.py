"""Shuffling that stays near: for examples that lie in blocks, such as shards, of which only a few can be at hand."""

import numpy as np

from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.rows import Window
from sensorium.randomness import generator

_SORTED = 50  # batches whose examples are sorted by length together


class WindowOrder(BatchOrder):
    """Equal batches from blocks one after the other, of which an epoch draws the order; a window moves over them, in
    which examples are shuffled, as in a buffer that is filled while it is emptied. All by (seed, epoch), so that a
    place in an epoch is a batch number, as everywhere.

    An example is given out at most `window.size` places after its own, so a batch is of that many neighbors.

    lengths: (N,) int64; with them, examples of about one length are put together, among so many batches in a row. None
    for examples that are all alike.
    """

    def __init__(self, *, window: Window, lengths: np.ndarray | None, plan: BatchPlan) -> None:
        super().__init__(num_examples=len(window.blocks), plan=plan)
        self.window, self.lengths = window, lengths

    def _rows(self) -> np.ndarray:
        if not self.plan.shuffle:
            rows = np.arange(self.num_examples)
            return rows if self.lengths is None else self._by_length(rows, self.plan.size)
        random = generator(self.plan.seed, self.epoch)
        places = random.permutation(int(self.window.blocks.max(initial=0)) + 1)[self.window.blocks]
        rows = np.argsort(places, kind="stable")
        moved = np.arange(self.num_examples) + self.window.size * random.random(self.num_examples)
        rows = rows[np.argsort(moved, kind="stable")]
        if self.lengths is None:
            return rows
        return self._by_length(rows, self.plan.size * self.plan.world_size, random)

    def _by_length(self, rows: np.ndarray, size: int, random: np.random.Generator | None = None) -> np.ndarray:
        """Rows sorted by length inside stretches of _SORTED batches of `size`; random: shuffles those batches."""
        assert self.lengths is not None
        found = []
        for start in range(0, len(rows), _SORTED * size):
            stretch = rows[start : start + _SORTED * size]
            stretch = stretch[np.argsort(self.lengths[stretch], kind="stable")]
            whole = len(stretch) // size * size
            batches = stretch[:whole].reshape(-1, size)
            if random is not None:
                batches = random.permutation(batches)
            found += [batches.ravel(), stretch[whole:]]
        return np.concatenate([np.empty(0, np.int64), *found])
