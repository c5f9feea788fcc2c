"""Held-out parts: disjoint, stratified, seeded, independent of order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensorium.data.hold_out import hold_out
from sensorium.errors import RequestError

NAMES = ["a", "b", "c"]


def divided(labels, keys, fractions, seed=0):
    return hold_out(
        labels=np.array(labels), keys=keys, fractions=fractions, seed=seed, class_names=NAMES[: max(labels) + 1]
    )


@settings(deadline=None, max_examples=30)
@given(
    counts=st.lists(st.integers(3, 40), min_size=2, max_size=3),
    test=st.floats(0.05, 0.6),
    val=st.floats(0.05, 0.6),
    seed=st.integers(0, 2**40),
)
def test_parts_are_disjoint_complete_and_stratified(counts, test, val, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    parts = divided(labels, [f"x{row}" for row in range(len(labels))], {"test": test, "val": val}, seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    for label, count in enumerate(counts):
        tested, validated = ((labels[parts[part]] == label).sum() for part in ("test", "val"))
        # To the nearest whole example, while one stays for each part.
        assert abs(tested - np.clip(test * count, 1, count - 2)) <= 0.5
        assert abs(validated - np.clip(val * (count - tested), 1, count - tested - 1)) <= 0.5


def test_exact_shares():
    labels = [0] * 100 + [1] * 50
    parts = divided(labels, [str(row) for row in range(150)], {"test": 0.2, "val": 0.1})
    assert [len(parts[part]) for part in ("train", "val", "test")] == [108, 12, 30]
    assert (np.array(labels)[parts["test"]] == 1).sum() == 10
    assert (np.array(labels)[parts["val"]] == 1).sum() == 4


def test_the_order_of_the_examples_does_not_matter():
    labels, keys = np.arange(60) % 3, np.array([f"image {row}" for row in range(60)])
    mixed = np.random.default_rng(0).permutation(60)
    fractions = {"test": 0.3, "val": 0.2}
    parts, others = divided(labels, keys.tolist(), fractions), divided(labels[mixed], keys[mixed].tolist(), fractions)
    for part in parts:
        assert set(keys[parts[part]]) == set(keys[mixed][others[part]])


def test_seed_and_part_change_the_draw():
    labels, keys = [0] * 100, [str(row) for row in range(100)]
    first = set(divided(labels, keys, {"test": 0.3})["test"].tolist())
    assert first == set(divided(labels, keys, {"test": 0.3})["test"].tolist())
    # Two independent draws of 30 out of 100 share 9 on average, and 20 or more once in a hundred thousand times.
    assert len(first & set(divided(labels, keys, {"test": 0.3}, seed=1)["test"].tolist())) < 20
    assert len(first & set(divided(labels, keys, {"val": 0.3})["val"].tolist())) < 20


def test_a_new_example_hardly_moves_the_others():
    keys = [str(row) for row in range(101)]
    before = set(divided([0] * 100, keys[:100], {"test": 0.3})["test"].tolist())
    after = set(divided([0] * 101, keys, {"test": 0.3})["test"].tolist())
    assert len(before - after) <= 1


def test_examples_with_one_key_stay_together():
    keys = [f"content {row // 4}" for row in range(80)]
    parts = divided([0] * 40 + [1] * 40, keys, {"test": 0.25, "val": 0.25})
    sides = [{keys[row] for row in rows} for rows in parts.values()]
    assert sum(len(side) for side in sides) == len(set.union(*sides)) == 20
    # The cut falls between two contents: 8 or 12 of 40 where 10 are wanted.
    assert all(len(parts["test"][parts["test"] // 40 == label]) in (8, 12) for label in (0, 1))


def test_too_few_examples_are_named_with_their_number():
    with pytest.raises(RequestError, match=r"per class for train, test and val: b \(2\).\nAt least 3 are needed"):
        divided([0] * 5 + [1] * 2, list("abcdefg"), {"test": 0.2, "val": 0.1})
    with pytest.raises(RequestError, match=r"per class for train and val: b \(1\)"):
        divided([0] * 5 + [1] * 2, list("abcdeff"), {"val": 0.1})
    assert len(divided([0] * 3, list("abc"), {"test": 0.9, "val": 0.9})["train"]) == 1
