"""The order of batches and the loader that cuts them: pure in (seed, epoch), each example once, exact to go on with."""

import threading
import time
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchOrder, BatchPlan
from sensorium.data.vision.splits import ImageSplit


class Counting:
    """A store whose image of a row is full of the row's number; it notes what was read, and fails where told to."""

    shape = (1, 2, 2)

    def __init__(self, count: int, *, broken: int | None = None) -> None:
        self.count, self.broken = count, broken
        self.read_rows: list[list[int]] = []

    def __len__(self) -> int:
        return self.count

    def read(self, rows: np.ndarray) -> np.ndarray:
        self.read_rows.append(rows.tolist())
        if self.broken is not None and self.broken in rows:
            raise OSError(f"row {self.broken} is on a broken disk")
        return np.broadcast_to(rows.astype(np.uint8)[:, None, None, None], (len(rows), *self.shape)).copy()


def split_of(count: int, **options: int) -> ImageSplit:
    return ImageSplit(Counting(count, **options), np.arange(count) * 10, [f"image {row}" for row in range(count)])


def order_of(
    count: int = 10, batch_size: int = 4, *, shuffle: bool = True, seed: int = 0, epoch: int = 0
) -> BatchOrder:
    order = BatchOrder(num_examples=count, plan=BatchPlan(size=batch_size, shuffle=shuffle, seed=seed))
    order.set_epoch(epoch)
    return order


def listed(order: BatchOrder, start: int = 0) -> list[list[int]]:
    return [rows.tolist() for rows in order.batches(start)]


# -- the order


def test_the_order_is_decided_by_seed_and_epoch_alone() -> None:
    assert listed(order_of(100, seed=3, epoch=5)) == listed(order_of(100, seed=3, epoch=5))
    orders = [listed(order_of(100, seed=seed, epoch=epoch)) for seed in range(4) for epoch in range(4)]
    assert all(a != b for number, a in enumerate(orders) for b in orders[:number])
    order = order_of(100)
    first = listed(order)
    order.set_epoch(1)
    assert listed(order) != first
    order.set_epoch(0)
    assert listed(order) == first


def test_the_batch_size_does_not_change_the_order() -> None:
    small, large = (np.concatenate(list(order_of(100, batch_size=size).batches())) for size in (10, 50))
    assert small.tolist() == large.tolist()


def test_without_shuffling_rows_come_as_they_are() -> None:
    assert listed(order_of(10, 4, shuffle=False)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@given(count=st.integers(1, 200), batch_size=st.integers(1, 50), shuffle=st.booleans(), seed=st.integers(0, 2**40))
def test_an_epoch_is_every_example_once(count: int, batch_size: int, shuffle: bool, seed: int) -> None:
    order = order_of(count, batch_size, shuffle=shuffle, seed=seed, epoch=seed % 7)
    batches = listed(order)
    assert sorted(row for rows in batches for row in rows) == list(range(count))
    assert len(order) == len(batches)
    assert all(len(rows) == batch_size for rows in batches[:-1])


@given(count=st.integers(1, 200), batch_size=st.integers(1, 20), shuffle=st.booleans(), start=st.integers(0, 30))
def test_starting_later_leaves_out_the_beginning(count: int, batch_size: int, shuffle: bool, start: int) -> None:
    order = order_of(count, batch_size, shuffle=shuffle)
    assert listed(order, start) == listed(order)[start:]


@given(count=st.integers(1, 200), batch_size=st.integers(1, 20), world_size=st.integers(1, 5), epoch=st.integers(0, 3))
def test_processes_share_each_batch_of_training_in_equal_parts(
    count: int, batch_size: int, world_size: int, epoch: int
) -> None:
    shared = {"size": batch_size, "shuffle": True, "seed": 1}
    orders = [
        BatchOrder(num_examples=count, plan=BatchPlan(**shared, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    for order in orders:
        order.set_epoch(epoch)
    shares = [listed(order) for order in orders]
    assert len({tuple(len(rows) for rows in share) for share in shares}) == 1
    assert all(rows for share in shares for rows in share)
    alone = listed(order_of(count, batch_size * world_size, seed=1, epoch=epoch))
    for number, parts in enumerate(zip(*shares, strict=True)):
        together = [row for rows in parts for row in rows]
        # All of what one process would take at once, but for at most world_size - 1 at the very end.
        assert together == alone[number][: len(together)]
        assert len(alone[number]) - len(together) < world_size
    given_out = sum(len(rows) for share in shares for rows in share)
    assert count - given_out < world_size


@given(count=st.integers(1, 200), batch_size=st.integers(1, 50), world_size=st.integers(1, 6))
def test_processes_evaluate_each_example_once_in_the_batches_of_one(
    count: int, batch_size: int, world_size: int
) -> None:
    shared = {"size": batch_size, "shuffle": False, "seed": 0}
    shares = [
        BatchOrder(num_examples=count, plan=BatchPlan(**shared, rank=rank, world_size=world_size))
        for rank in range(world_size)
    ]
    assert [len(share) for share in shares] == [len(listed(share)) for share in shares]
    batches = sorted(rows for share in shares for rows in listed(share))
    assert batches == listed(order_of(count, batch_size, shuffle=False))


# -- the loader


def loader_of(count: int = 20, *, readers: int = 2, epoch: int = 0, **options: int) -> BatchLoader:
    return BatchLoader(split=split_of(count, **options), order=order_of(count, epoch=epoch), readers=readers)


@pytest.mark.parametrize("readers", [0, 1, 2, 7])
def test_readers_change_nothing(readers: int) -> None:
    loader = loader_of(readers=readers)
    batches = list(loader)
    assert len(batches) == len(loader) == 5
    assert [batch.indices.tolist() for batch in batches] == listed(order_of(20))
    for batch in batches:
        assert batch.images.dtype == torch.uint8
        assert torch.equal(batch.images[:, 0, 1, 1], batch.indices.to(torch.uint8))
        assert torch.equal(batch.labels, batch.indices * 10)


@pytest.mark.parametrize("readers", [0, 2])
def test_a_new_epoch_has_a_new_order(readers: int) -> None:
    loader = loader_of(readers=readers)
    first = [batch.indices.tolist() for batch in loader]
    loader.sampler.set_epoch(1)
    assert [batch.indices.tolist() for batch in loader] == listed(order_of(20, epoch=1)) != first


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("given_out", [0, 1, 3, 5])
def test_it_goes_on_where_the_saved_one_stood(readers: int, given_out: int) -> None:
    loader = loader_of(readers=readers, epoch=4)
    list(islice(loader, given_out))
    state = loader.state_dict()
    assert state == {"epoch": 4, "given": given_out}

    again = loader_of(readers=readers, epoch=4)
    again.load_state_dict(state)
    assert [batch.indices.tolist() for batch in again] == listed(order_of(20, epoch=4))[given_out:]
    assert [batch.indices.tolist() for batch in again] == listed(order_of(20, epoch=4))  # only the first time
    again.sampler.set_epoch(5)
    assert again.state_dict() == {"epoch": 5, "given": 0}


def test_a_place_in_another_epoch_is_not_taken() -> None:
    loader = loader_of(epoch=5)
    loader.load_state_dict({"epoch": 4, "given": 3})
    assert [batch.indices.tolist() for batch in loader] == listed(order_of(20, epoch=5))


def test_readers_read_ahead_but_not_far() -> None:
    loader = loader_of(400, readers=2)
    batches = iter(loader)
    next(batches)
    deadline = time.monotonic() + 10
    store = loader.split.images
    while len(store.read_rows) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert 2 <= len(store.read_rows) <= 6  # of a hundred
    batches.close()


@pytest.mark.parametrize("readers", [0, 1, 3])
def test_what_goes_wrong_while_reading_is_raised_in_its_turn(readers: int) -> None:
    loader = loader_of(readers=readers, broken=listed(order_of(20))[2][0])
    batches = iter(loader)
    assert next(batches).indices.tolist() == listed(order_of(20))[0]
    assert next(batches).indices.tolist() == listed(order_of(20))[1]
    with pytest.raises(OSError, match="is on a broken disk"):
        next(batches)
    assert reader_threads() == []


def reader_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reader")]


def test_an_epoch_that_is_left_halfway_leaves_no_threads() -> None:
    batches = iter(loader_of(400, readers=3))
    next(batches)
    assert len(reader_threads()) == 3
    del batches
    assert reader_threads() == []


def test_a_finished_epoch_leaves_no_threads() -> None:
    list(loader_of(readers=3))
    assert reader_threads() == []
