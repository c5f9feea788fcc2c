"""Rows of a source: some of them, some of these, and those of several sources."""

import numpy as np
import pytest

from sensorium.data.rows import Ragged, Rows, Source
from sensorium.data.strings import Strings


class Numbers(Source):
    """Row i is [first + i, first + i]."""

    shape = (2,)

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def read(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([rows, rows], axis=1).astype(np.int16) + np.int16(self.first)


class Counts(Ragged):
    """Row i is 0, 1, ... first + i - 1."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count = first, count

    def __len__(self) -> int:
        return self.count

    def at(self, row: int) -> np.ndarray:
        return np.arange(self.first + row)


class Letters(Strings):
    def __len__(self) -> int:
        return 26

    def at(self, row: int) -> str:
        return chr(ord("a") + row)


def firsts(store: Source, rows: list[int]) -> list[int]:
    read = store.read(np.array(rows, dtype=np.int64))
    assert (read.dtype, read.shape, read.flags.c_contiguous) == (np.int16, (len(rows), 2), True)
    return read[:, 1].tolist()


def test_some_of_some_rows_are_rows_of_the_source_itself():
    source = Numbers(100, 10)
    some = source.subset(np.array([9, 3, 5])).subset(np.array([2, 0, 0]))
    assert (some.source is source, some.rows.tolist(), some.shape, len(some)) == (True, [5, 9, 9], (2,), 3)
    assert firsts(some, [1, 0]) == [109, 105]


def test_rows_of_one_source_are_joined_without_another_step():
    source = Numbers(0, 10)
    joined = source.subset(np.array([7])).joined([source, source.subset(np.array([2]))])
    assert (joined.source is source, joined.rows.tolist()) == (True, [7, *range(10), 2])
    assert isinstance(source.joined([]), Rows)


def test_rows_of_several_sources_keep_the_order_asked_for():
    one, other, third = Numbers(0, 3), Numbers(10, 2).subset(np.array([1, 0])), Numbers(20, 1)
    joined = one.joined([other, third])
    assert (len(joined), joined.shape) == (6, (2,))
    assert firsts(joined, [5, 0, 3, 4, 2, 3]) == [20, 0, 11, 10, 2, 11]
    assert firsts(joined, []) == []
    again = joined.subset(np.array([4, 1])).joined([Numbers(30, 1)])
    assert firsts(again, [2, 0, 1]) == [30, 10, 1]


def test_rows_of_different_lengths_are_a_list():
    joined = Counts(1, 3).subset(np.array([2, 0])).joined([Counts(5, 1)])
    assert [row.tolist() for row in joined.read(np.array([2, 1, 0, 2]))] == [
        [0, 1, 2, 3, 4],
        [0],
        [0, 1, 2],
        [0, 1, 2, 3, 4],
    ]
    same_length = Counts(2, 1).joined([Counts(2, 1)])
    assert [row.tolist() for row in same_length.read(np.array([1, 0]))] == [[0, 1], [0, 1]]


@pytest.mark.parametrize("rows", [[25, 0], [], [3, 3]])
def test_strings_are_made_when_asked_for(rows):
    some = Letters().subset(np.arange(26)[::-1]).subset(np.array(rows, dtype=np.int64))
    assert list(some) == [chr(ord("z") - row) for row in rows]
    assert some.joined([["end"]]) == [*some, "end"]
    assert list(Letters()[1:3]) == ["b", "c"]
