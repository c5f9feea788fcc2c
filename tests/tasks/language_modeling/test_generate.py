"""Text as it is made: whole characters only, and together exactly what the tokens say."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sensorium.models.text.transformer_lm import TransformerLanguageModel
from sensorium.specs import LanguageModelingSpec
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.language_modeling.predict import TextGenerator, decoded_pieces
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


@pytest.mark.parametrize(("tokens", "notes"), [(4, []), (6, ["the first 2 tokens of the prompt are ignored"])])
def test_what_a_prompt_has_beyond_the_context_is_told(tokens: int, notes: list[str]) -> None:
    spec = LanguageModelingSpec(tokenizer=BYTES.to_dict(), vocab_size=BYTES.vocab_size, context=4)
    network = TransformerLanguageModel(vocab_size=BYTES.vocab_size, context=4, width=8, depth=1, heads=2).eval()
    model = LoadedModel(spec, network, torch.device("cpu"), "32-true", "contiguous", {})
    generator = TextGenerator(model, PredictOptions(length=1))
    (found,) = generator.predict(["a" * tokens])
    assert list(found.pieces)
    assert generator.notes() == [f"the model sees 4 tokens at most: {note}" for note in notes]
