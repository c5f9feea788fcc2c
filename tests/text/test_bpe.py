"""Byte pairs: exact round trip of all of Unicode, merges countable by hand, the library kept in order."""

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensorium.errors import RequestError
from sensorium.text import bpe
from sensorium.text.bpe import BPETokenizer, bytes_of
from sensorium.text.tokenizer import UNK

TEXTS = ["low low low lower lower newest 😀 很好"]
TOKENIZER = BPETokenizer.train(TEXTS, vocab_size=400, min_count=1, lowercase=False)


@given(text=st.text(st.characters(codec="utf-8")))
@example(text="\n")
@example(text="  low\r\n\n lower \t ")
@example(text="\x00\x1f\x7f\u200b\ufeff\u2028")
@example(text="<pad><unk> <bos> <eos>")
@example(text="👩‍👩‍👧 e\u0301 很好 🏴\U000e0067\U000e007f")
def test_round_trip_of_every_text(text):
    ids = TOKENIZER.encode(text)
    assert UNK not in ids
    assert TOKENIZER.decode(ids) == text


def test_lone_surrogates_are_replaced_and_pairs_joined():
    assert TOKENIZER.decode(TOKENIZER.encode("a\udcffb\ud83d\ude00")) == "a\ufffdb😀"


def test_merges_are_the_most_frequent_pairs():
    tokenizer = BPETokenizer.train(["ab\n" * 7 + "cd\n" * 5 + "ef\n"], vocab_size=400, min_count=2, lowercase=False)
    assert tokenizer.tokens[260:] == ["ab", "cd"]
    assert tokenizer.to_dict()["merges"] == ["a b", "c d"]
    number = {token: i for i, token in enumerate(tokenizer.tokens)}
    assert tokenizer.encode("abcd ef") == [number[token] for token in ("ab", "cd", "Ġ", "e", "f")]


def test_without_merges_a_text_is_its_bytes():
    tokenizer = BPETokenizer.train([], vocab_size=260, min_count=1, lowercase=False)
    assert tokenizer.vocab_size == 260
    assert len(tokenizer.encode("aé好😀")) == 1 + 2 + 3 + 4
    assert tokenizer.decode(tokenizer.encode("好")[:2]) == "\ufffd"


def test_two_ways_to_one_token_share_its_number():
    tokenizer = BPETokenizer(merges=["a b", "ab c", "b c", "a bc", "abc d"], lowercase=False)
    assert tokenizer.tokens[260:] == ["ab", "abc", "bc", "abcd"]
    assert [tokenizer.encode(text) for text in ("abc", "bc", "abcd")] == [[261], [262], [263]]


def test_a_long_run_is_learned_from_and_encoded_whole():
    run = "好的" * 20_000
    tokenizer = BPETokenizer.train([run, " " * 40_000], vocab_size=300, min_count=1, lowercase=False)
    assert "".join(bpe._without_long_runs(f"{run} b")) == f"{run} b"
    assert tokenizer.decode(tokenizer.encode(run)) == run
    # The longest token is 256 characters of 3 bytes.
    assert max(map(len, tokenizer.tokens)) == 768
    assert len(tokenizer.encode(run)) == -(-40_000 // 256)


def test_many_texts_are_encoded_in_order():
    texts = [f"low {number}" for number in range(2 * bpe._CHUNK + 1)]
    assert TOKENIZER.encode_many(texts) == [TOKENIZER.encode(text) for text in texts]


def test_a_forked_process_encodes_without_a_warning():
    program = (
        "import os, signal\n"
        "from sensorium.text.bpe import BPETokenizer, bytes_of\n"
        "texts = ['low lower'] * 100\n"
        "tokenizer = BPETokenizer.train(texts, vocab_size=270, min_count=1, lowercase=False)\n"
        "tokenizer.encode_many(texts)\n"
        "child = os.fork()\n"
        "signal.alarm(30)\n"  # a child that waits for ever ends all the same
        "ids = tokenizer.encode_many(texts)\n"
        "if child:\n"
        "    os.waitpid(child, 0)\n"
        "print(len(ids), flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("100\n100\n", "")


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    bpe._library.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(RequestError, match=r"pip install 'sensorium\[text\]'"):
        BPETokenizer.train(TEXTS, vocab_size=300, min_count=1, lowercase=False)


def test_the_bytes_of_tokens_as_the_library_spells_them() -> None:
    tokenizer = BPETokenizer(merges=[], lowercase=False)
    text = "a \n\N{LATIN SMALL LETTER E WITH ACUTE}\N{EURO SIGN}\x7f\xad"
    assert b"".join(bytes_of(tokenizer.tokens[number]) for number in tokenizer.encode(text)) == text.encode()
