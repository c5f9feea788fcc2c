"""What a batch of texts, of running text and of sentence pairs holds, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.batches import IGNORED
from sensorium.data.order import BatchPlan
from sensorium.data.text.splits import LanguageSplit, TextSplit, TranslationSplit
from token_stores import store_of


def text_split() -> TextSplit:
    return TextSplit(store_of([[5, 6], [7], [8, 9, 10]]), np.array([0, 1, 0]), list("xyz"), ["a b", "c", "d e f"])


def pair_split() -> TranslationSplit:
    return TranslationSplit(
        store_of([[5, 6], [7]]), store_of([[8], [9, 10, 11]]), ["p", "q"], ["a b", "c"], ["A", "B C D"]
    )


def language_split(count: int, context: int, history: int = 0) -> LanguageSplit:
    """Token i is 100 + i."""
    return LanguageSplit(np.arange(100, 100 + count, dtype=np.uint16), context, 10 * count, 20 * count, history)


# -- labelled texts


def test_a_batch_of_texts() -> None:
    batch = text_split().read(np.array([2, 1]))
    assert batch.tokens.tolist() == [[8, 9, 10], [7, 0, 0]]
    assert (batch.lengths.tolist(), batch.labels.tolist(), batch.indices.tolist()) == ([3, 1], [0, 1], [2, 1])
    assert {str(tensor.dtype) for tensor in batch} == {"torch.int64"}


def test_some_texts_and_several_parts_of_them() -> None:
    split = text_split()
    some = split.subset(np.array([2, 0]))
    joined = some.joined([split])
    assert (len(joined), list(joined.names), joined.labels.tolist()) == (5, list("zxxyz"), [0, 0, 0, 1, 0])
    assert list(joined.texts) == ["d e f", "a b", "a b", "c", "d e f"]
    assert joined.read(np.array([0, 3])).tokens.tolist() == [[8, 9, 10], [7, 0, 0]]
    assert replace(split, labels=np.array([4, 4, 4])).read(np.array([1])).labels.tolist() == [4]


def test_texts_come_in_an_order_of_lengths() -> None:
    order = text_split().order(BatchPlan(size=1, shuffle=False, seed=0))
    assert [rows.tolist() for rows in order.batches()] == [[1], [0], [2]]


# -- sentence pairs


def test_a_batch_of_pairs() -> None:
    batch = pair_split().read(np.array([0, 1]))
    assert batch.source.tolist() == [[5, 6, 3], [7, 3, 0]]
    assert batch.lengths.tolist() == [3, 2]
    assert batch.target_in.tolist() == [[2, 8, 0, 0], [2, 9, 10, 11]]
    assert batch.target_out.tolist() == [[8, 3, IGNORED, IGNORED], [9, 10, 11, 3]]
    assert {str(tensor.dtype) for tensor in batch} == {"torch.int64"}


def test_pairs_are_ordered_by_their_longer_side() -> None:
    order = pair_split().order(BatchPlan(size=2, shuffle=False, seed=0))
    assert order.lengths.tolist() == [3, 4]


def test_some_pairs_and_several_parts_of_them() -> None:
    joined = pair_split().subset(np.array([1])).joined([pair_split()])
    assert (list(joined.names), list(joined.source_texts)) == (["q", "p", "q"], ["c", "a b", "c"])
    assert list(joined.references) == ["B C D", "A", "B C D"]
    assert joined.read(np.array([0, 1])).target_out.tolist() == [[9, 10, 11, 3], [8, 3, IGNORED, IGNORED]]


# -- running text


def test_stretches_without_history() -> None:
    batch = language_split(10, context=4).read(np.array([0, 4]))
    assert batch.tokens.tolist() == [[100, 101, 102, 103], [104, 105, 106, 107]]
    assert batch.targets.tolist() == [[101, 102, 103, 104], [105, 106, 107, 108]]
    assert batch.indices.tolist() == [0, 4]


def test_beyond_the_end_nothing_counts() -> None:
    batch = language_split(10, context=4).read(np.array([4, 8]))
    assert batch.tokens.tolist()[1] == [108, 109, 0, 0]
    assert batch.targets.tolist()[1] == [109, IGNORED, IGNORED, IGNORED]
    alone = language_split(10, context=4).read(np.array([8]))
    assert (alone.tokens.tolist(), alone.targets.tolist()) == ([[108]], [[109]])


def test_history_leads_up_to_what_counts() -> None:
    batch = language_split(20, context=5, history=3).read(np.array([0, 2, 10]))
    assert batch.tokens.tolist() == [
        [100, 101, 102, 103, 104],
        [100, 101, 102, 103, 104],
        [107, 108, 109, 110, 111],
    ]
    no = IGNORED
    assert batch.targets.tolist() == [[101, 102, no, no, no], [no, no, 103, 104, no], [no, no, no, 111, 112]]


@given(
    count=st.integers(2, 60),
    context=st.integers(1, 12),
    size=st.integers(1, 5),
    data=st.data(),
)
def test_evaluation_predicts_each_token_once_from_what_comes_before(
    count: int, context: int, size: int, data: st.DataObject
) -> None:
    history = data.draw(st.integers(0, context - 1))
    split = language_split(count, context).with_history(history)
    seen = []
    for rows in split.order(BatchPlan(size=size, shuffle=False, seed=0)).batches():
        batch = split.read(rows)
        assert batch.tokens.shape == batch.targets.shape
        assert batch.tokens.shape[1] <= context
        counts = batch.targets != IGNORED
        assert (batch.targets[counts] == batch.tokens[counts] + 1).all()
        for row in range(len(rows)):
            first = int(counts[row].int().argmax()) if counts[row].any() else history
            assert first >= min(history, int(rows[row]))
        seen += batch.targets[counts].tolist()
    assert sorted(seen) == list(range(101, 100 + count))


def test_history_must_leave_something() -> None:
    with pytest.raises(ValueError, match="history 4 leaves nothing to predict in a context of 4"):
        language_split(9, context=4).with_history(4)


def test_some_running_text_and_several_parts_of_it() -> None:
    split = language_split(11, context=4)
    some = split.subset(np.array([2, 5, 9]))
    assert (some.tokens.tolist(), len(some)) == ([102, 103, 104, 105], 3)
    assert (some.num_characters, some.num_bytes) == (33, 66)
    joined = some.joined([split])
    assert (len(joined), joined.num_characters, joined.num_bytes) == (14, 143, 286)
    assert joined.tokens[3:6].tolist() == [105, 100, 101]
    assert split.names[3] == "text:4"
