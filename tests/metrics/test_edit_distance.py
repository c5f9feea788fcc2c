"""Edit distances by hand, and against rapidfuzz on anything."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.metrics.edit_distance import edit_distances

ROW = st.lists(st.integers(0, 4), max_size=9)


def padded(rows: list[list[int]], behind: int, width: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    width = max([width, *map(len, rows)])
    table = torch.tensor([row + [behind] * (width - len(row)) for row in rows], dtype=torch.long)
    return table.reshape(len(rows), width), torch.tensor([len(row) for row in rows])


def words(*texts: str) -> tuple[torch.Tensor, torch.Tensor]:
    return padded([[ord(letter) for letter in text] for text in texts], behind=0)


def test_known_words():
    found = edit_distances(*words("kitten", "sunday", "", "same", ""), *words("sitting", "saturday", "abc", "same", ""))
    assert found.tolist() == [3, 3, 3, 0, 0]
    assert found.dtype == torch.int64


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=5), st.integers(0, 3))
def test_rapidfuzz_agrees(pairs, extra):
    rapidfuzz = pytest.importorskip("rapidfuzz.distance.Levenshtein")
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = edit_distances(*padded(left, behind=2, width=extra), *padded(right, behind=2))
    assert found.tolist() == [rapidfuzz.distance(a, b) for a, b in pairs]
