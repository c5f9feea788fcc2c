"""Tokens of a text as words that a reader sees: pieces of a word belong together."""

from collections.abc import Sequence
from typing import NamedTuple

from sensorium.text.tokenizer import EOS, Tokenizer
from sensorium.text.vocabulary import PieceTokenizer
from sensorium.text.words import WordTokenizer

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"  # what bytes amid a character decode to


class Span(NamedTuple):
    """A word: its text, its tokens from start up to end, and the white space before it."""

    text: str
    start: int
    end: int
    before: str


def word_spans(tokenizer: Tokenizer, ids: Sequence[int], text: str | None = None) -> list[Span]:
    """The words of `ids`, in order; together they have every token once.

    text: what the ids were encoded from, which knows how unknown words are written; None for tokens that a model gave.
    A tokenizer of words has a word a token. Characters and byte pairs are joined up to white space, or to a change
    between letters and other signs. A special token is a word by itself.
    """
    pieces = _pieces(tokenizer, ids, text)
    if isinstance(tokenizer, WordTokenizer):
        return _located(pieces, text)
    found: list[Span] = []
    start = 0
    for place in range(1, len(pieces) + 1):
        if place < len(pieces) and not _begins(pieces[place - 1], pieces[place], ids[place - 1], ids[place]):
            continue
        inside = list(ids[start:place])
        joined = "".join(pieces[start:place])
        if _UNFINISHED in joined:  # bytes of one character in several tokens
            joined = tokenizer.decode(inside)
        word = joined.lstrip()
        found.append(Span(word, start, place, joined[: len(joined) - len(word)]))
        start = place
    return found


def _pieces(tokenizer: Tokenizer, ids: Sequence[int], text: str | None) -> list[str]:
    names = tokenizer.tokens
    if text is not None and isinstance(tokenizer, PieceTokenizer):
        written = tokenizer.written(text)[: len(ids)]
        return written + [names[token] for token in ids[len(written) :]]
    return [tokenizer.decode([token]) if token > EOS else names[token] for token in ids]


def _begins(previous: str, piece: str, before: int, token: int) -> bool:
    """Whether a word begins with `piece`. before, token: the numbers of both."""
    if (before <= EOS and previous.startswith("<")) or (token <= EOS and piece.startswith("<")):
        return True
    if not previous or not piece or piece.startswith(_UNFINISHED):
        return False
    if piece[0].isspace():
        return not previous.isspace()
    return not previous[-1].isspace() and _letter(previous[-1]) != _letter(piece[0])


def _letter(sign: str) -> bool:
    return sign.isalnum() or sign in "'\N{RIGHT SINGLE QUOTATION MARK}" or sign == _UNFINISHED


def _located(pieces: Sequence[str], text: str | None) -> list[Span]:
    """A word for each piece, with the white space that the text has before it; a space where that is not known."""
    found, end = [], 0
    for place, piece in enumerate(pieces):
        at = -1 if text is None else text.find(piece, end)
        before = " " if place else ""
        if text is not None and at >= 0 and not text[end:at].strip():
            before, end = text[end:at], at + len(piece)
        found.append(Span(piece, place, place + 1, before))
    return found
