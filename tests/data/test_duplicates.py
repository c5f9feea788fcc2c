"""Examples that are there twice, and classes that training lacks, by hand."""

import numpy as np
import pytest

from sensorium.data.duplicates import (
    check_different,
    find_duplicates,
    find_unknown_classes,
    overlap_note,
    settle_conflicts,
    without,
)
from sensorium.errors import RequestError

# Train a b c, val d, test e f; the digest is one byte.
SPLITS = np.array([0, 0, 0, 1, 2, 2])
PLACES = list("abcdef")
ALL = np.arange(6)


def repeats(
    contents: list[int], labels: list[str] | None = None, rows: np.ndarray = ALL
) -> tuple[dict[int, str], list[str]]:
    digests = np.array(contents, dtype=np.uint8)[:, None]
    return find_duplicates(digests=digests, labels=labels, splits=SPLITS, places=PLACES, rows=rows, content="sound")


def test_copies_inside_a_part_are_counted_and_kept() -> None:
    bad, notes = repeats([1, 1, 1, 2, 3, 3])
    assert bad == {}
    assert notes == ["copies of another of the same split: 3 (b = a); kept in the same split"]


def test_what_is_in_a_later_part_too_stays_there_alone() -> None:
    bad, notes = repeats([1, 2, 3, 1, 1, 2])
    said = "same sound as {}, which is in test"
    assert bad == {0: said.format("e"), 3: said.format("e"), 1: said.format("f")}
    assert notes == []


def test_a_split_that_is_all_in_another_is_one_fault() -> None:
    """Train has 1 2 2, and test 2 1; val shares one of its two."""
    rows = np.arange(7)
    shared = {"splits": np.array([0, 0, 0, 1, 1, 2, 2]), "rows": rows, "examples": "images"}
    with pytest.raises(RequestError, match="train and test are the same data: all 2 different images of train are in"):
        check_different(digests=np.array([[1], [2], [2], [3], [1], [2], [1]], dtype=np.uint8), **shared)
    check_different(digests=np.array([[1], [2], [4], [3], [1], [2], [1]], dtype=np.uint8), **shared)
    alone = np.array([[2], [2], [2], [3], [1], [2], [1]], dtype=np.uint8)
    check_different(digests=alone, **shared)  # one image, which is named like any other


def test_two_labels_leave_only_what_the_test_part_says_of_itself() -> None:
    bad, _ = repeats([1, 2, 3, 4, 1, 5], ["x", "x", "x", "x", "y", "x"])
    assert bad == {0: "labeled 'x'; e has the same sound and label 'y'"}
    bad, _ = repeats([1, 2, 3, 4, 1, 1], ["x", "x", "x", "x", "y", "x"])
    assert set(bad) == {0, 4, 5}


def test_a_published_test_stays_whole_and_says_that_it_contradicts_itself() -> None:
    shared = {"digests": np.array([[1], [2], [3], [4], [1], [1]], dtype=np.uint8), "splits": SPLITS, "places": PLACES}
    labels = ["x", "x", "x", "x", "y", "x"]
    bad, notes = find_duplicates(**shared, labels=labels, rows=ALL, content="sound", test_is_whole=True)
    assert bad == {0: "labeled 'x'; e has the same sound and label 'y'"}
    assert notes == ["test has contradictory labels: 2 with the same sound; kept"]


def test_what_is_dropped_of_published_splits_is_counted_by_split() -> None:
    said = {"splits": SPLITS, "places": PLACES, "examples": "texts"}
    assert overlap_note({3: "in test", 0: "in test", 1: "in val"}, **said, labelled=True) == [
        "texts in two published splits, or with two labels: dropped 2 from train and 1 from val, such as d (in test);"
        " test is unchanged"
    ]
    assert overlap_note({}, **said, labelled=False) == []


def test_other_rows_are_not_looked_at() -> None:
    assert repeats([1, 2, 3, 1, 4, 5], rows=without(ALL, {0: "unreadable"})) == ({}, [])


def test_classes_that_training_lacks() -> None:
    labels = ["cat", "dog", "dog", "cta", "cat", "bird"]
    bad, notes = find_unknown_classes(labels=labels, splits=SPLITS, rows=ALL, examples="sounds")
    assert bad == {
        3: "class 'cta' is in val but not in train; the nearest is 'cat'",
        5: "class 'bird' is in test but not in train",
    }
    assert notes == ["val has no sounds of: cat, dog", "test has no sounds of: dog"]


@pytest.mark.parametrize(
    ("policy", "stay", "said"),
    [
        ("drop", [0, 1, 2, 3, 4, 5, 6, 7], None),
        # 5 stars twice against 4 once; of 4 and 1 once each the first; in the test part alone 3 stars stay.
        ("majority", [1, 2, 3, 5, 6, 7], "2 times; 2 reviews dropped, the first r0 (on_conflict=majority)"),
        ("first", [0, 3, 5, 6, 7], "2 times; 3 reviews dropped, the first r1 (on_conflict=first)"),
    ],
)
def test_a_policy_settles_labels_that_contradict_each_other(policy: str, stay: list[int], said: str | None) -> None:
    contents = [1, 1, 1, 2, 2, 3, 1, 3]
    rows, notes = settle_conflicts(
        digests=np.array(contents, dtype=np.uint8)[:, None],
        labels=["4", "5", "5", "4", "1", "2", "3", "2"],
        splits=np.array([0, 0, 0, 0, 0, 0, 2, 0]),
        places=[f"r{row}" for row in range(8)],
        rows=np.arange(8),
        on_conflict=policy,  # type: ignore[arg-type]
        examples="reviews",
    )
    assert rows.tolist() == stay
    assert notes == ([] if said is None else [f"the same content with several labels: {said}"])
