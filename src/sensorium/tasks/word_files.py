"""The words allowed in decoding: a lexicon and an n-gram model, checked against a tokenizer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sensorium.data.base import counted
from sensorium.data.io.text_files import opened, read_lines, readable, wrong_bytes
from sensorium.errors import RequestError, cut, listing
from sensorium.files import is_file, meant, not_a_file, user_path
from sensorium.text.arpa import listed_words
from sensorium.text.tokenizer import SPECIAL_TOKENS, UNK, Tokenizer

_KENLM = b"mmap lm http://kheafield.com/code"  # how the binary files of KenLM begin
_SHOWN = 5  # words that a note names


def read_lexicon(given: str, tokenizer: Tokenizer) -> tuple[list[str], list[str]]:
    """The words of a file, one a line (what follows a word is its pronunciation), as the tokenizer writes them; notes.

    Raises RequestError for a file that is missing or no text, or where none of its words can be spelled.
    """
    path = _existing(given, "decoding.lexicon", "")
    # A return alone ends a line too, as old editors write it: a word never holds one.
    words = [part.split()[0] for line in _lines(path) for part in line.split("\r") if part.strip()]
    spelled = {word: _spelled(word, tokenizer) for word in words}
    unknown = [word for word, text in spelled.items() if text is None]
    if words and len(unknown) == len(spelled):
        raise RequestError(
            f"decoding.lexicon={given}: no word of it can be spelled with this recognizer's tokens, such as"
            f" {cut(words[0])!r}.\nIts transcripts are written with: {_characters(tokenizer)}"
        )
    return list(dict.fromkeys(text for text in spelled.values() if text is not None)), _notes(given, unknown)


def read_language_model(given: str, tokenizer: Tokenizer) -> tuple[str, list[str]]:
    """The text of an ARPA file, and notes. Raises RequestError as `read_lexicon` does."""
    path = _existing(given, "decoding.language_model", " of an ARPA model, or own")
    with readable(path), opened(path) as file:
        if file.peek(len(_KENLM)).startswith(_KENLM):
            raise RequestError(
                f"decoding.language_model={given} is a binary file of KenLM. Give the ARPA file it was built from."
            )
    text = "".join(f"{line}\n" for line in _lines(path))
    words = listed_words(text)
    unknown = [word for word in words if _spelled(word, tokenizer) != word]
    if words and len(unknown) == len(words):
        raise RequestError(
            f"decoding.language_model={given}: this recognizer writes none of its words, such as {cut(words[0])!r}.\n"
            f"Its transcripts are written with: {_characters(tokenizer)}"
        )
    return text, _notes(given, unknown)


def _existing(given: str, key: str, more: str) -> Path:
    path = user_path(given)
    if wrong := not_a_file(path):
        raise RequestError(f"{key}={given} is {wrong}; a file is needed.")
    if not is_file(path):
        raise RequestError(f"{key}={cut(given)}: there is no such file.{meant(path)}\nGive the path{more}.")
    return path


def _lines(path: Path) -> Iterator[str]:
    for number, line in enumerate(read_lines(path, key=None), start=1):
        if wrong := wrong_bytes(line, key=None):
            raise RequestError(f"{path}:{number}: {wrong}")
        yield line


def _spelled(word: str, tokenizer: Tokenizer) -> str | None:
    """The word as the tokenizer gives it back, in lower case where it folds; None where it lacks a token for it."""
    ids = tokenizer.encode(word)
    text = "" if UNK in ids else tokenizer.decode(ids).strip()
    return text if len(text.split()) == 1 else None


def _notes(given: str, unknown: Sequence[str]) -> list[str]:
    if not unknown:
        return []
    named = listing([cut(word) for word in unknown], limit=_SHOWN)
    return [f"{given}: {counted(len(unknown), 'word')} cannot be spelled by this recognizer and never written: {named}"]


def _characters(tokenizer: Tokenizer) -> str:
    return listing(sorted(token for token in tokenizer.tokens[len(SPECIAL_TOKENS) :] if token.strip()), limit=40)
