"""Orders for few labels: an epoch that is a number of batches, and batches of labeled and unlabeled examples.

An epoch that is no pass over the data takes the next rows of an endless sequence of passes, each shuffled again; where
in it an epoch begins follows from its number. So all of this is a pure function of (seed, epoch) too.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sensorium.batches import IGNORED
from sensorium.data.order import BatchOrder, BatchPlan, Order
from sensorium.errors import RequestError
from sensorium.randomness import generator

_LABELLED, _UNLABELLED = 1, 2  # the two sequences of passes, which are shuffled apart


def training_order(split: Any, plan: BatchPlan, *, epoch_batches: int | None, unlabelled_ratio: int) -> Order:
    """The training batches of a split.

    epoch_batches: how many an epoch has; None for one pass over the data. unlabelled_ratio: examples without their
    label that come with each labeled one; 0 for labeled ones alone. The labels of a split say which are labeled:
    all but those that are IGNORED. Every example, labeled or not, is among those that come without their label.

    Raises RequestError where there is nothing labeled, and for running text, whose epoch is one pass.
    """
    if unlabelled_ratio:
        labelled = np.flatnonzero(split.labels != IGNORED)
        return MixedOrder(
            labelled=labelled, others=np.arange(len(split)), ratio=unlabelled_ratio, batches=epoch_batches, plan=plan
        )
    order = split.order(plan)
    if epoch_batches is None:
        return order
    if order.one_pass:
        raise RequestError(
            "epoch_batches is not for running text, whose epoch is one pass. Set trainer.limit_train_batches=N."
        )
    if type(order) is BatchOrder:  # one that stays near its blocks is repeated as it is
        rows = np.arange(len(split))
        return MixedOrder(labelled=rows, others=rows[:0], ratio=0, batches=epoch_batches, plan=plan)
    return RepeatedOrder(order, batches=epoch_batches)


class RepeatedOrder(Order):
    """Another order's epochs one after the other, cut into epochs of `batches` batches."""

    def __init__(self, order: Order, *, batches: int) -> None:
        super().__init__(order.plan)
        self.order, self.count = order, batches

    def __len__(self) -> int:
        return self.count

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        first, end = self.epoch * self.count + start, (self.epoch + 1) * self.count
        while first < end:
            passed, place = divmod(first, len(self.order))
            self.order.set_epoch(passed)
            for rows in self.order.batches(place):
                if first == end:
                    return
                first += 1
                yield rows


class MixedOrder(Order):
    """Batches of `size` labeled rows followed by `ratio` times as many others; both in passes without end.

    Every batch is full: where a pass ends the next one begins, and a row may be twice in a batch when there are few.
    Of the global batch each process has its share.

    labelled, others: row numbers. batches: of an epoch; None for as many as one pass over the others takes.
    """

    def __init__(
        self, *, labelled: np.ndarray, others: np.ndarray, ratio: int, batches: int | None, plan: BatchPlan
    ) -> None:
        super().__init__(plan)
        if not len(labelled):
            raise RequestError("None of these training examples has a label: labels_per_class must leave some.")
        if plan.tokens is not None and ratio:
            raise RequestError("batch_tokens does not go with labeled and unlabeled batches; set batch_size alone.")
        self.ratio = ratio
        together = ratio * plan.size * plan.world_size
        self.count = batches if batches is not None else -(-len(others) // together)
        self._labelled = _Passes(labelled, plan.seed, _LABELLED)
        self._others = _Passes(others, plan.seed, _UNLABELLED)

    def __len__(self) -> int:
        return self.count

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        size, rank, world_size = self.plan.size, self.plan.rank, self.plan.world_size
        for number in range(self.epoch * self.count + start, (self.epoch + 1) * self.count):
            share = number * world_size + rank
            rows = self._labelled.taken(share * size, size)
            if self.ratio:
                more = self.ratio * size
                rows = np.concatenate([rows, self._others.taken(share * more, more)])
            yield rows


class _Passes:
    """Rows in passes without end, each shuffled by (seed, which, pass)."""

    def __init__(self, rows: np.ndarray, *key: int) -> None:
        self._rows, self._key = rows, key
        self._last: tuple[int, np.ndarray] = (-1, rows)

    def taken(self, first: int, count: int) -> np.ndarray:
        """The rows at the places first to first + count of the sequence."""
        parts = []
        while count:
            number, place = divmod(first, len(self._rows))
            part = self._shuffled(number)[place : place + count]
            parts.append(part)
            first, count = first + len(part), count - len(part)
        return np.concatenate(parts)

    def _shuffled(self, number: int) -> np.ndarray:
        if self._last[0] != number:
            self._last = (number, generator(*self._key, number).permutation(self._rows))
        return self._last[1]
