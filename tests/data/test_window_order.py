"""The order in blocks: each example once, near its block, pure in (seed, epoch), fair among processes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensorium.data.mixed_order import RepeatedOrder, training_order
from sensorium.data.order import BatchPlan
from sensorium.data.rows import Window
from sensorium.data.window_order import WindowOrder


def order_of(
    count: int, each: int, window: int, *, size: int = 4, lengths: np.ndarray | None = None, **plan: int
) -> WindowOrder:
    plan = {"seed": 0, **plan}
    blocks = np.arange(count) // each
    given = BatchPlan(size=size, shuffle=bool(plan.pop("shuffle", True)), **plan)  # type: ignore[arg-type]
    return WindowOrder(window=Window(window, blocks), lengths=lengths, plan=given)


def rows_of(order: WindowOrder, epoch: int = 0, start: int = 0) -> list[list[int]]:
    order.set_epoch(epoch)
    return [rows.tolist() for rows in order.batches(start)]


@given(
    count=st.integers(1, 200), each=st.integers(1, 30), window=st.integers(1, 300), size=st.integers(1, 9),
    epoch=st.integers(0, 3), long=st.booleans(),
)  # fmt: skip
def test_every_example_comes_once_and_the_end_is_that_of_the_whole(
    count: int, each: int, window: int, size: int, epoch: int, long: bool
) -> None:
    lengths = np.random.default_rng(count).integers(1, 50, count) if long else None
    order = order_of(count, each, window, size=size, lengths=lengths)
    batches = rows_of(order, epoch)
    assert sorted(row for batch in batches for row in batch) == list(range(count))
    assert len(batches) == len(order)
    for start in (0, len(batches) // 2, len(batches)):
        assert rows_of(order, epoch, start) == batches[start:]


def test_an_example_moves_at_most_a_window() -> None:
    order = order_of(1000, 100, 50, size=10)
    rows = np.concatenate(list(order.batches()))
    blocks = list(dict.fromkeys((rows // 100).tolist()))  # as they come in
    own = {row: blocks.index(row // 100) * 100 + row % 100 for row in rows.tolist()}
    moved = [abs(place - own[row]) for place, row in enumerate(rows.tolist())]
    assert max(moved) <= 50
    assert np.mean(moved) > 10  # they do move
    assert sorted(blocks) == list(range(10))
    assert blocks != list(range(10))  # the blocks are shuffled


def test_seed_and_epoch_decide() -> None:
    first = rows_of(order_of(200, 20, 30))
    assert first == rows_of(order_of(200, 20, 30))
    assert first != rows_of(order_of(200, 20, 30), epoch=1)
    assert first != rows_of(order_of(200, 20, 30, seed=1))


def test_processes_share_each_batch() -> None:
    whole = rows_of(order_of(90, 20, 30, size=8))
    shares = [rows_of(order_of(90, 20, 30, size=4, rank=rank, world_size=2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*shares, strict=True)] == whole


def test_evaluation_reads_in_order() -> None:
    assert rows_of(order_of(10, 5, 3, shuffle=False)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    lengths = np.array([3, 50, 3, 50, 3, 50, 3, 50])
    assert rows_of(order_of(8, 4, 2, lengths=lengths, shuffle=False)) == [[0, 2, 4, 6], [1, 3, 5, 7]]


def test_lengths_come_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, 4000)
    order = order_of(4000, 100, 400, size=8, lengths=lengths)
    spread = [np.ptp(lengths[batch]) for batch in rows_of(order)]
    assert np.median(spread) < 40  # of 1,000; in batches drawn at random it is about 780


def test_an_epoch_of_some_batches_keeps_the_window() -> None:
    class Split:
        def order(self, plan: BatchPlan) -> WindowOrder:
            return order_of(100, 10, 20)

    order = training_order(Split(), BatchPlan(size=4, shuffle=True, seed=0), epoch_batches=10, unlabelled_ratio=0)
    assert isinstance(order, RepeatedOrder)
