"""The order of batches of different lengths and of running text: each example once, inside the limits, pure in
(seed, epoch), exact to go on with, shared fairly among processes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.data import order as order_module
from sensorium.data.order import BatchPlan, LengthOrder, StreamOrder
from sensorium.errors import RequestError

lengths_of_texts = st.lists(st.integers(0, 300), min_size=1, max_size=200).map(lambda found: np.array(found))


def plan_of(size: int = 4, *, shuffle: bool = True, **others: int) -> BatchPlan:
    return BatchPlan(size=size, shuffle=shuffle, seed=others.pop("seed", 0), **others)


def listed(order: LengthOrder | StreamOrder, *, epoch: int = 0, start: int = 0) -> list[list[int]]:
    order.set_epoch(epoch)
    return [rows.tolist() for rows in order.batches(start)]


# -- different lengths


def test_texts_of_one_length_come_together() -> None:
    lengths = np.array([3, 50, 3, 50, 3, 50, 3, 50])
    batches = listed(LengthOrder(lengths=lengths, plan=plan_of(4, shuffle=False)))
    assert batches == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert LengthOrder(lengths=lengths, plan=plan_of(4)).padding() == 0


def test_what_fills_no_batch_moves_on_to_longer_texts() -> None:
    order = LengthOrder(lengths=np.array([2, 2, 2, 9, 9, 9, 9]), plan=plan_of(4, shuffle=False))
    assert listed(order) == [[0, 1, 2, 3], [4, 5, 6]]
    assert order.padding() == pytest.approx(1 - (3 * 2 + 4 * 9) / (4 * 9 + 3 * 9))


def test_a_budget_of_tokens_makes_batches_of_long_texts_small() -> None:
    lengths = np.array([10] * 20 + [100] * 4 + [500])
    batches = listed(LengthOrder(lengths=lengths, plan=plan_of(8, shuffle=False, tokens=200)))
    assert [len(rows) for rows in batches] == [8, 8, 2, 2, 2, 2, 1]  # 4 of the short ones ride with the long ones


@given(lengths=lengths_of_texts, size=st.integers(1, 20), tokens=st.integers(1, 900) | st.none(), shuffle=st.booleans())
def test_an_epoch_is_every_text_once_inside_the_limits(
    lengths: np.ndarray, size: int, tokens: int | None, shuffle: bool
) -> None:
    order = LengthOrder(lengths=lengths, plan=BatchPlan(size=size, shuffle=shuffle, seed=1, tokens=tokens))
    for epoch in range(3):
        batches = listed(order, epoch=epoch)
        assert len(batches) == len(order)
        assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
        for rows in batches:
            assert len(rows) <= size
            if tokens is not None and len(rows) > 1:
                assert len(rows) * lengths[rows].max() <= tokens


def test_the_order_of_texts_is_decided_by_seed_and_epoch_alone() -> None:
    lengths = np.arange(200) % 37
    orders = [
        listed(LengthOrder(lengths=lengths, plan=plan_of(seed=seed)), epoch=epoch)
        for seed in range(3)
        for epoch in range(3)
    ]
    assert all(a != b for number, a in enumerate(orders) for b in orders[:number])
    order = LengthOrder(lengths=lengths, plan=plan_of(seed=0))
    assert [listed(order, epoch=epoch) for epoch in (2, 0, 1)] == [orders[2], orders[0], orders[1]]


@given(lengths=lengths_of_texts, shuffle=st.booleans(), start=st.integers(0, 30), world_size=st.integers(1, 3))
def test_starting_later_leaves_out_the_beginning(
    lengths: np.ndarray, shuffle: bool, start: int, world_size: int
) -> None:
    plan = plan_of(shuffle=shuffle, world_size=world_size, rank=world_size - 1)
    order = LengthOrder(lengths=lengths, plan=plan)
    assert listed(order, epoch=1, start=start) == listed(order, epoch=1)[start:]


@given(lengths=lengths_of_texts, size=st.integers(1, 8), world_size=st.integers(1, 4), epoch=st.integers(0, 2))
def test_processes_share_each_training_batch(lengths: np.ndarray, size: int, world_size: int, epoch: int) -> None:
    orders = [
        LengthOrder(lengths=lengths, plan=plan_of(size, world_size=world_size, rank=rank)) for rank in range(world_size)
    ]
    shares = [listed(order, epoch=epoch) for order in orders]
    assert {len(share) for share in shares} == {len(orders[0])}
    for parts in zip(*shares, strict=True):
        counts = [len(rows) for rows in parts]
        assert 1 <= min(counts) <= max(counts) <= min(size, min(counts) + 1)
    seen = [row for share in shares for rows in share for row in rows]
    assert len(set(seen)) == len(seen) > len(lengths) - world_size


@given(lengths=lengths_of_texts, size=st.integers(1, 8), world_size=st.integers(1, 4))
def test_processes_evaluate_each_text_once_in_the_batches_of_one(
    lengths: np.ndarray, size: int, world_size: int
) -> None:
    orders = [
        LengthOrder(lengths=lengths, plan=plan_of(size, shuffle=False, world_size=world_size, rank=rank))
        for rank in range(world_size)
    ]
    shares = [listed(order) for order in orders]
    assert [len(share) for share in shares] == [len(order) for order in orders]
    alone = LengthOrder(lengths=lengths, plan=plan_of(size, shuffle=False))
    assert sorted(rows for share in shares for rows in share) == sorted(listed(alone))


# -- running text


def covered(batches: list[list[int]], context: int) -> list[int]:
    """Every position that a batch predicts."""
    return [start + place for rows in batches for start in rows for place in range(context)]


def test_evaluation_reads_streams_side_by_side_and_then_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "_LONG", 2)
    # 27 tokens are 26 positions: two streams of two stretches of 6, and 2 positions left over.
    order = StreamOrder(num_tokens=27, context=6, plan=plan_of(2, shuffle=False))
    assert listed(order) == [[0, 12], [6, 18], [24]]
    # Streams of fewer than that say too little: here one of four stretches is all there is.
    monkeypatch.setattr(order_module, "_LONG", 3)
    assert listed(StreamOrder(num_tokens=27, context=6, plan=plan_of(2, shuffle=False))) == [[0], [6], [12], [18], [24]]


@given(num_tokens=st.integers(2, 400), context=st.integers(1, 30), size=st.integers(1, 9))
def test_evaluation_covers_every_position_exactly_once(num_tokens: int, context: int, size: int) -> None:
    order = StreamOrder(num_tokens=num_tokens, context=context, plan=plan_of(size, shuffle=False))
    batches = listed(order)
    assert len(batches) == len(order)
    inside = [place for place in covered(batches, context) if place < num_tokens - 1]
    assert sorted(inside) == list(range(num_tokens - 1))
    for before, after in pairwise(batches):
        # What goes on is the end of the batch before: all rows, or the last one alone.
        assert after == [start + context for start in before[-len(after) :]]


@given(
    num_tokens=st.integers(2, 400),
    context=st.integers(1, 30),
    size=st.integers(1, 9),
    epoch=st.integers(0, 5),
    start=st.integers(0, 9),
)
def test_training_streams_go_on_and_stay_inside_the_text(
    num_tokens: int, context: int, size: int, epoch: int, start: int
) -> None:
    order = StreamOrder(num_tokens=num_tokens, context=context, plan=plan_of(size, seed=3))
    batches = listed(order, epoch=epoch)
    assert len(batches) == len(order) >= 1
    for before, after in pairwise(batches):
        assert after == [first + context for first in before]
    places = covered(batches, context)
    assert len(set(places)) == len(places)
    assert all(first < num_tokens - 1 for rows in batches for first in rows)  # something to predict in every row
    if num_tokens > 2 * context:
        assert max(places) < num_tokens - 1
    assert listed(order, epoch=epoch, start=start) == batches[start:]


def test_every_epoch_cuts_the_text_elsewhere() -> None:
    order = StreamOrder(num_tokens=1000, context=50, plan=plan_of(4))
    firsts = [listed(order, epoch=epoch)[0][0] for epoch in range(30)]
    assert len(set(firsts)) > 15
    assert all(0 <= first < 50 for first in firsts)
    assert listed(order, epoch=7) == listed(StreamOrder(num_tokens=1000, context=50, plan=plan_of(4)), epoch=7)


@given(num_tokens=st.integers(100, 500), world_size=st.integers(1, 4), size=st.integers(1, 5), epoch=st.integers(0, 2))
def test_processes_have_streams_of_their_own(num_tokens: int, world_size: int, size: int, epoch: int) -> None:
    shares = [
        listed(
            StreamOrder(num_tokens=num_tokens, context=8, plan=plan_of(size, world_size=world_size, rank=rank)),
            epoch=epoch,
        )
        for rank in range(world_size)
    ]
    assert len({tuple(map(len, share)) for share in shares}) == 1
    assert all(rows for share in shares for rows in share)
    places = [place for share in shares for place in covered(share, 8)]
    assert len(set(places)) == len(places)


def test_a_text_too_short_for_all_processes_is_refused() -> None:
    with pytest.raises(RequestError, match="20 tokens is too short for 3 processes that read 8 at a time"):
        StreamOrder(num_tokens=20, context=8, plan=plan_of(2, world_size=3))
    StreamOrder(num_tokens=20, context=8, plan=plan_of(2))
