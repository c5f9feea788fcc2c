"""Characters: exact round trip, frequency order."""

from hypothesis import given
from hypothesis import strategies as st

from sensorium.text.characters import CharTokenizer
from sensorium.text.tokenizer import UNK


@given(text=st.text(st.characters(codec="utf-8")))
def test_round_trip_of_every_text_whose_characters_were_seen(text):
    tokenizer = CharTokenizer.train([text], vocab_size=10_000, min_count=1, lowercase=False)
    ids = tokenizer.encode(text)
    assert UNK not in ids
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text


def test_numbers_follow_frequency_then_code_point():
    tokenizer = CharTokenizer.train(["banana", "cab"], vocab_size=100, min_count=1, lowercase=False)
    # a 4 times, b and n twice, c once
    assert tokenizer.tokens[4:] == ["a", "b", "n", "c"]
    assert tokenizer.encode("canBb\n") == [7, 4, 6, UNK, 5, UNK]
    assert tokenizer.decode([7, 4, 6, UNK, 5]) == "canb"


def test_rare_characters_are_cut():
    texts = ["banana", "cab"]
    assert CharTokenizer.train(texts, vocab_size=100, min_count=2, lowercase=False).tokens[4:] == ["a", "b", "n"]
    assert CharTokenizer.train(texts, vocab_size=6, min_count=1, lowercase=False).tokens[4:] == ["a", "b"]
