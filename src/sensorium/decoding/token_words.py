"""Word boundaries in tokens, for characters and for byte pair encoding.

A token whose text begins with white space begins a word: the character " ", or a piece such as " the". Any other
token belongs to the word before it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

Decode = Callable[[Sequence[int]], str]


class TokenWord(NamedTuple):
    """A word and its tokens, first to last - 1. A token that is only white space is not among them."""

    text: str
    first: int
    last: int


def begins_word(token: int, decode: Decode) -> bool:
    """Whether this token ends the word before it."""
    return decode([token])[:1].isspace()


def token_words(tokens: Sequence[int], decode: Decode) -> list[TokenWord]:
    """The words that a sequence of tokens makes.

    decode: the tokenizer's, from numbers to text.
    """
    edges = [place for place, token in enumerate(tokens) if place and begins_word(token, decode)]
    found = []
    for first, last in zip([0, *edges], [*edges, len(tokens)], strict=True):
        text = decode(tokens[first:last]).strip()
        while first < last and not decode(tokens[first : first + 1]).strip():
            first += 1
        if text:
            found.append(TokenWord(text, first, last))
    return found
