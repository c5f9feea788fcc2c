"""Pieces of a word belong together; every token is in exactly one word."""

import pytest

from sensorium.text.build_tokenizer import train_tokenizer
from sensorium.text.spans import Span, word_spans

TEXT = "It isn't great, naïve 猫!"


def tokenizer(kind):
    return train_tokenizer(kind, [TEXT, "it is"], vocab_size=400, min_count=1, lowercase=False)


def test_words_keep_the_spaces_of_the_text():
    found = word_spans(tokenizer("word"), tokenizer("word").encode(TEXT), TEXT)
    assert [span.text for span in found] == ["It", "is", "n't", "great", ",", "naïve", "猫", "!"]
    assert "".join(span.before + span.text for span in found) == TEXT


@pytest.mark.parametrize("kind", ["char", "bpe"])
@pytest.mark.parametrize("given", [TEXT, None])
def test_pieces_are_merged_into_words(kind, given):
    known = tokenizer(kind)
    ids = known.encode(TEXT)
    found = word_spans(known, ids, given)
    assert "".join(span.before + span.text for span in found) == TEXT
    assert [place for span in found for place in range(span.start, span.end)] == list(range(len(ids)))
    assert [span.text for span in found][:3] == ["It", "isn't", "great"]


def test_an_unknown_character_is_written_as_in_the_text():
    known = train_tokenizer("char", ["ab "], vocab_size=20, min_count=1, lowercase=False)
    assert word_spans(known, known.encode("ab xa"), "ab xa") == [Span("ab", 0, 2, ""), Span("xa", 2, 5, " ")]
