"""Text as it is made: whole characters only, and together exactly what the tokens say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.tasks.language_modeling.predict import decoded_pieces
from sensorium.text.build_tokenizer import train_tokenizer

pytest.importorskip("tokenizers")
BYTES = train_tokenizer("bpe", ["a b"], vocab_size=260, min_count=1, lowercase=False)
WORDS = train_tokenizer("word", ["the cat , the dog ."], vocab_size=50, min_count=1, lowercase=False)


def test_a_character_of_four_bytes_comes_at_once() -> None:
    tokens = BYTES.encode("a😀b")
    assert list(decoded_pieces(BYTES, [], tokens)) == ["a", "😀", "b", ""]


@given(prompt=st.text(min_size=1, max_size=20), text=st.text(max_size=40))
def test_the_pieces_are_the_whole(prompt: str, text: str) -> None:
    context, tokens = BYTES.encode(prompt), BYTES.encode(text)
    pieces = "".join(decoded_pieces(BYTES, context, tokens))
    assert BYTES.decode(context) + pieces == BYTES.decode([*context, *tokens])


def test_spaces_between_words() -> None:
    context, tokens = WORDS.encode("the cat"), WORDS.encode(", the dog.")
    assert "".join(decoded_pieces(WORDS, context, tokens)) == WORDS.decode([*context, *tokens])[len("the cat") :]
