"""Flat arrays of tokens: gathered as they should be, kept on disk when large, safe when two build at once."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.data import spill
from sensorium.data.strings import Picked, Places
from sensorium.data.text import tokens as tokens_module
from sensorium.data.text.texts import Texts, TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts, learn_tokenizer
from sensorium.errors import RunError
from sensorium.text.characters import CharTokenizer
from sensorium.text.tokenizer import UNK
from token_stores import store_of

sequences_of_ids = st.lists(st.lists(st.integers(4, 99), max_size=9), min_size=1, max_size=12)


class Letters(CharTokenizer):
    """a = 4, b = 5, ...; counts how often it is asked."""

    asked = 0

    def __init__(self) -> None:
        super().__init__(pieces="abcdefghij", lowercase=False)

    def encode_many(self, texts):
        self.asked += 1
        return super().encode_many(texts)


def texts_of(*given: str) -> Texts:
    writer = TextWriter()
    for text in given:
        writer.add(text)
    return writer.finish()


def rows_of(store: TokenStore) -> list[list[int]]:
    padded, lengths = store.gather(np.arange(len(store)))
    return [row[:length].tolist() for row, length in zip(padded, lengths, strict=True)]


# -- texts


@given(st.lists(st.text(), max_size=8))
def test_texts_come_back_as_they_were(given_texts: list[str]) -> None:
    texts = texts_of(*given_texts)
    assert list(texts) == given_texts
    assert [text for chunk in texts.chunks() for text in chunk] == given_texts
    assert [texts.num_characters(row) for row in range(len(texts))] == [len(text) for text in given_texts]
    rows = np.arange(len(texts))[::-1]
    assert list(texts.subset(rows)) == list(Picked(texts, rows)) == given_texts[::-1]


def test_half_characters_are_replaced() -> None:
    assert list(texts_of("a\ud800b", "\ud83d\ude00")) == ["a\ufffdb", "😀"]


def test_large_texts_go_to_a_file_that_leaves_nothing_behind(monkeypatch, cache_home) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    given_texts = ["äöü" * 3, "", "x" * 25, "end"]
    texts = texts_of(*given_texts)
    assert list(texts) == given_texts
    assert not texts.data.flags.writeable
    assert list((cache_home / "text").iterdir()) == []


def test_digests_do_not_see_the_space_around_a_text() -> None:
    digests = [row.tobytes() for row in texts_of("good film", "  good film\n", "good  film").digests()]
    assert digests[0] == digests[1] != digests[2]


def test_places() -> None:
    places = Places(["a.csv", "b.csv"], np.array([0, 1, 1]), np.array([7, 2, 0]))
    assert list(places) == ["a.csv:7", "b.csv:2", "b.csv"]
    assert list(places[1:]) == ["b.csv:2", "b.csv"]


# -- gathering


def test_gathered_rows_are_filled_up_and_cut() -> None:
    store = store_of([[5, 6, 7], [8], [], [9, 9]])
    padded, lengths = store.gather(np.array([3, 0, 2]))
    assert padded.tolist() == [[9, 9, 0], [5, 6, 7], [0, 0, 0]]
    assert (lengths.tolist(), padded.dtype, lengths.dtype) == ([2, 3, 0], np.int64, np.int64)
    padded, lengths = store.gather(np.array([0, 1]), max_length=2)
    assert (padded.tolist(), lengths.tolist()) == ([[5, 6], [8, 0]], [2, 1])
    assert store.gather(np.array([2]))[0].shape == (1, 0)


@given(sequences=sequences_of_ids, data=st.data())
def test_gathering_is_looking_up_one_by_one(sequences: list[list[int]], data: st.DataObject) -> None:
    store = store_of(sequences)
    rows = np.array(data.draw(st.lists(st.integers(0, len(sequences) - 1), min_size=1, max_size=9)))
    assert rows_of(store.subset(rows)) == [sequences[row] for row in rows]


@given(one=sequences_of_ids, other=sequences_of_ids)
def test_joined_stores_are_one_after_the_other(one: list[list[int]], other: list[list[int]]) -> None:
    first, second = store_of(one), store_of(other)
    assert rows_of(first.joined([second, first])) == one + other + one
    half = first.subset(np.arange(0, len(one), 2))
    assert half.joined([first]).flat is first.flat
    assert rows_of(half.joined([first])) == one[::2] + one


# -- encoding


def test_long_texts_are_cut_and_counted_and_empty_ones_are_unknown() -> None:
    texts = texts_of("abcd", "", "a?", "abc")
    store = encode_texts(texts, Letters(), max_length=3, never_empty=True)
    assert rows_of(store) == [[4, 5, 6], [UNK], [4, UNK], [4, 5, 6]]
    assert (store.cut, store.full.tolist(), store.flat.dtype) == (1, [4, 0, 2, 3], np.uint16)
    assert store.unknown_share() == 2 / 9
    assert rows_of(encode_texts(texts, Letters()))[1] == []


def test_large_stores_are_built_once_and_mapped(monkeypatch, cache_home) -> None:
    texts = texts_of("abc" * 20, "", "j" * 70)
    small = encode_texts(texts, Letters(), max_length=50, never_empty=True)
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    tokenizer = Letters()
    stores = [encode_texts(texts, tokenizer, max_length=50, never_empty=True) for _ in range(2)]
    assert tokenizer.asked == 1
    for store in stores:
        assert rows_of(store) == rows_of(small)
        assert store.cut == 2
        assert not store.flat.flags.writeable
    encode_texts(texts, tokenizer, max_length=40, never_empty=True)
    encode_texts(texts_of("abc" * 20, "", "j" * 71), tokenizer, max_length=50, never_empty=True)
    assert tokenizer.asked == 3  # other settings and other texts are other entries
    assert len(list((cache_home / "text").glob("*/rows"))) == 3


def test_what_was_learned_from_many_texts_is_kept(monkeypatch, cache_home) -> None:
    settings = {"vocab_size": 300, "min_count": 1, "lowercase": True}
    texts = [texts_of("the Film is good", "the end"), texts_of("good\ud800 film")]
    small = {kind: learn_tokenizer(kind, texts, **settings).to_dict() for kind in ("word", "char", "bpe")}
    assert not (cache_home / "text").exists()
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    assert {kind: learn_tokenizer(kind, texts, **settings).to_dict() for kind in small} == small
    monkeypatch.setattr(tokens_module, "train_tokenizer", lambda *_, **__: pytest.fail("learned again"))
    assert {kind: learn_tokenizer(kind, texts, **settings).to_dict() for kind in small} == small
    learned = []
    monkeypatch.setattr(tokens_module, "train_tokenizer", lambda *_, **given: learned.append(given) or Letters())
    learn_tokenizer("char", texts, **{**settings, "lowercase": False})
    learn_tokenizer("char", [texts_of("another text")], **settings)
    assert [given["lowercase"] for given in learned] == [
        False,
        True,
    ]  # other settings and other texts are other entries


def test_of_two_that_start_together_one_builds(monkeypatch) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    texts, tokenizer, found = texts_of("abc" * 20, "abc"), Letters(), []
    gate = threading.Barrier(4)

    def build() -> None:
        gate.wait()
        found.append(rows_of(encode_texts(texts, tokenizer)))

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokenizer.asked == 1
    assert found == [rows_of(encode_texts(texts, tokenizer))] * 4


def test_a_build_that_fails_leaves_no_entry(monkeypatch, cache_home) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    texts = texts_of("abc" * 20)
    broken = Letters()
    broken.encode_many = lambda texts: 1 / 0
    with pytest.raises(ZeroDivisionError):
        encode_texts(texts, broken)
    assert all(path.name.endswith("lock") for path in (cache_home / "text").iterdir())
    assert rows_of(encode_texts(texts, Letters())) == [[4, 5, 6] * 20]


def test_the_longest_unused_entries_make_room(monkeypatch, cache_home) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    monkeypatch.setattr(tokens_module, "_LIMIT", 30_000)  # bytes: two entries of 10,000 and their facts, and not three
    first = encode_texts(texts_of("a" * 5000), Letters())
    for letter in "bcd":  # the first is the longest unused one, and yet somebody reads it
        encode_texts(texts_of(letter * 5000), Letters())
    assert [path.stat().st_size for path in (cache_home / "text").glob("*/rows")] == [10_000, 10_000]
    tokenizer = Letters()
    encode_texts(texts_of("d" * 5000), tokenizer)
    assert rows_of(encode_texts(texts_of("a" * 5000), tokenizer)) == rows_of(first)
    assert tokenizer.asked == 0


def test_a_cache_that_cannot_be_written(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(spill, "IN_MEMORY", 10)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"Cannot keep texts in .*/file/text: Not a directory"):
        texts_of("abc" * 20)
