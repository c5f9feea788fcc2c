"""Tokenizers by kind: learned from texts, or restored from a checkpoint."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from sensorium.errors import RequestError, unknown
from sensorium.text.bpe import BPETokenizer
from sensorium.text.characters import CharTokenizer
from sensorium.text.tokenizer import Tokenizer, TokenizerKind
from sensorium.text.words import WordTokenizer


def train_tokenizer(
    kind: TokenizerKind, texts: Iterable[str], *, vocab_size: int, min_count: int, lowercase: bool
) -> Tokenizer:
    """A tokenizer of this kind, learned from the texts, which are read once. The same texts give the same tokenizer.

    vocab_size: the limit, special tokens included; few texts give fewer tokens. min_count: characters, words or pairs
    of neighbors seen less often are omitted. lowercase: texts are put in lower case, here and when encoding.

    Raises RequestError for an unknown kind, for limits that leave no vocabulary, and when "bpe" is not installed.
    """
    if kind == "char":
        return CharTokenizer.train(texts, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)
    if kind == "word":
        return WordTokenizer.train(texts, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)
    if kind == "bpe":
        return BPETokenizer.train(texts, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)
    raise unknown("tokenizer", str(kind), get_args(TokenizerKind))


def tokenizer_from_dict(values: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer whose `to_dict` gave these values. Nothing in them is run.

    Raises RequestError for an unknown kind, and for values no tokenizer could have given.
    """
    kind = values.get("kind")
    if kind not in get_args(TokenizerKind):
        raise unknown("tokenizer", str(kind), get_args(TokenizerKind))
    try:
        if kind == "char":
            return CharTokenizer.from_dict(values)
        if kind == "word":
            return WordTokenizer.from_dict(values)
        return BPETokenizer(merges=values["merges"], lowercase=bool(values["lowercase"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RequestError(f"The saved {kind} tokenizer is damaged ({error}); take an undamaged copy.") from error
