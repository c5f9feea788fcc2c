"""Epochs that are no passes, and mixed batches: one sequence, however it is cut into epochs, processes and starts."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.batches import IGNORED
from sensorium.data.mixed_order import MixedOrder, RepeatedOrder, training_order
from sensorium.data.order import BatchOrder, BatchPlan, LengthOrder, Order, StreamOrder
from sensorium.errors import RequestError


def plan_of(size: int = 4, **others: int) -> BatchPlan:
    return BatchPlan(size=size, shuffle=True, seed=others.pop("seed", 0), **others)


def mixed(**changes: Any) -> MixedOrder:
    settings: dict[str, Any] = {
        "labelled": np.array([3, 8, 9]),
        "others": np.arange(20),
        "ratio": 2,
        "batches": 6,
        "plan": plan_of(),
    }
    return MixedOrder(**settings | changes)


def listed(order: Order, epochs: int = 1, start: int = 0) -> list[list[int]]:
    found = []
    for epoch in range(epochs):
        order.set_epoch(epoch)
        found += [rows.tolist() for rows in order.batches(start if epoch == epochs - 1 else 0)]
    return found


def test_a_batch_is_labelled_rows_and_then_others() -> None:
    for rows in listed(mixed(), epochs=3):
        assert len(rows) == 12
        assert set(rows[:4]) <= {3, 8, 9}


def test_both_come_in_whole_passes_shuffled_anew() -> None:
    batches = listed(mixed(), epochs=3)
    for rows, count in (([r for b in batches for r in b[:4]], 3), ([r for b in batches for r in b[4:]], 20)):
        passes = [rows[first : first + count] for first in range(0, len(rows) - count + 1, count)]
        assert len(passes) == len(rows) // count
        assert all(sorted(found) == sorted(passes[0]) for found in passes)
        assert any(a != b for a, b in pairwise(passes))


def test_an_epoch_is_one_pass_over_the_others_unless_told_otherwise() -> None:
    assert len(mixed(batches=None)) == 3  # 8 of 20 in a batch
    assert len(listed(mixed(batches=None))) == 3
    assert len(mixed(batches=None, plan=plan_of(world_size=2))) == 2


@given(start=st.integers(0, 6), epoch=st.integers(0, 4), seed=st.integers(0, 5))
def test_starting_later_leaves_out_the_beginning(start: int, epoch: int, seed: int) -> None:
    whole, later = mixed(plan=plan_of(seed=seed)), mixed(plan=plan_of(seed=seed))
    for order in (whole, later):
        order.set_epoch(epoch)
    assert [b.tolist() for b in later.batches(start)] == [b.tolist() for b in whole.batches()][start:]


def test_longer_epochs_are_the_same_sequence() -> None:
    assert listed(mixed(batches=2), epochs=6) == listed(mixed(batches=4), epochs=3) == listed(mixed(batches=12))
    assert listed(mixed()) != listed(mixed(plan=plan_of(seed=1)))


def test_processes_share_each_batch_out() -> None:
    one = listed(mixed(plan=plan_of(8)))
    shares = [listed(mixed(plan=plan_of(4, rank=rank, world_size=2))) for rank in range(2)]
    for whole, first, second in zip(one, *shares, strict=True):
        assert whole == first[:4] + second[:4] + first[4:] + second[4:]


def test_without_others_every_batch_is_full() -> None:
    order = mixed(others=np.arange(0), ratio=0, batches=5)
    assert [len(rows) for rows in listed(order)] == [4] * 5


@pytest.mark.parametrize("batches", [1, 4, 7])
def test_epochs_of_another_order_are_cut_anew(batches: int) -> None:
    lengths = np.arange(30) % 7
    inner = [
        rows.tolist()
        for epoch in range(12)
        for order in [LengthOrder(lengths=lengths, plan=plan_of())]
        for rows in (order.set_epoch(epoch), order.batches())[1]
    ]
    order = RepeatedOrder(LengthOrder(lengths=lengths, plan=plan_of()), batches=batches)
    assert len(order) == batches
    assert listed(order, epochs=12) == inner[: 12 * batches]
    order.set_epoch(3)
    for start in range(batches + 1):
        assert [rows.tolist() for rows in order.batches(start)] == inner[3 * batches + start : 4 * batches]


class Split:
    """Of examples that are all alike, of different lengths, or of running text."""

    def __init__(self, kind: type[Order]) -> None:
        self.kind, self.labels = kind, np.array([0, IGNORED, 1, IGNORED, IGNORED])

    def __len__(self) -> int:
        return 5

    def order(self, plan: BatchPlan) -> Order:
        if self.kind is BatchOrder:
            return BatchOrder(num_examples=5, plan=plan)
        if self.kind is LengthOrder:
            return LengthOrder(lengths=np.arange(5), plan=plan)
        return StreamOrder(num_tokens=500, context=5, plan=plan)


def test_which_order_a_split_is_read_in() -> None:
    plan = plan_of(2)
    for kind in (BatchOrder, LengthOrder, StreamOrder):
        assert type(training_order(Split(kind), plan, epoch_batches=None, unlabelled_ratio=0)) is kind
    for kind, wanted in ((BatchOrder, MixedOrder), (LengthOrder, RepeatedOrder)):
        order = training_order(Split(kind), plan, epoch_batches=9, unlabelled_ratio=0)
        assert type(order) is wanted
        assert len(listed(order)) == 9
    with pytest.raises(RequestError, match="not for running text"):
        training_order(Split(StreamOrder), plan, epoch_batches=9, unlabelled_ratio=0)


def test_labelled_rows_are_those_with_a_label() -> None:
    order = training_order(Split(LengthOrder), plan_of(2), epoch_batches=None, unlabelled_ratio=1)
    batches = listed(order)
    assert all(set(rows[:2]) == {0, 2} for rows in batches)
    assert len(batches) == 3
    assert {row for rows in batches for row in rows[2:]} == {0, 1, 2, 3, 4}  # every one of them


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(RequestError, match="None of these training examples has a label"):
        mixed(labelled=np.arange(0))
    with pytest.raises(RequestError, match="batch_tokens does not go with"):
        mixed(plan=plan_of(tokens=100))
