"""Text as pieces of frequent words: byte pair encoding over the bytes of UTF-8.

R. Sennrich, B. Haddow and A. Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016, arXiv
1508.07909; over bytes, with the splitting into words that no merge crosses, as in A. Radford et al., "Language Models
are Unsupervised Multitask Learners", 2019. All 256 bytes are tokens, so no text has an unknown one. Needs the optional
package `tokenizers`.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from sensorium.errors import missing_extra
from sensorium.text.tokenizer import EOS, SPECIAL_TOKENS, clean
from sensorium.text.vocabulary import check_limits

SMALLEST = len(SPECIAL_TOKENS) + 256
_CHUNK = 1024  # texts at a time: the library's own results are many times larger than the numbers kept
_LONG_RUN = re.compile(r"\S{256}|\s{256}")


class BPETokenizer:
    """Decoding gives back exactly the encoded text, in lower case if asked; UNK never occurs.

    The one exception is a lone surrogate, which no UTF-8 can hold: it is read as U+FFFD (see `clean`). Numbers that
    end amid a character decode to U+FFFD too.

    Tokens are listed as the library spells bytes: printable ones as themselves, others moved up ("Ġ" is a space).

    merges: the pairs that become one token, in the order they were learned, as "left right". lowercase: texts are put
    in lower case.

    Raises RequestError when `tokenizers` is not installed, ValueError when a merge names a token that is not there.
    """

    def __init__(self, *, merges: Sequence[str], lowercase: bool) -> None:
        library = _library()
        ids = {token: number for number, token in enumerate((*SPECIAL_TOKENS, *_alphabet()))}
        pairs = []
        for merge in merges:
            left, right = merge.split(" ")
            if left not in ids or right not in ids:
                raise ValueError(f"the merge {merge!r} comes before its parts")
            pairs.append((left, right))
            ids.setdefault(left + right, len(ids))
        self._merges, self._lowercase = list(merges), lowercase
        self._tokens = list(ids)
        # The special tokens are in the list to hold their numbers; no text leads to them, as they are not "added".
        self._bpe = library.Tokenizer(library.models.BPE(vocab=ids, merges=pairs))
        self._bpe.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._bpe.decoder = library.decoders.ByteLevel()

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int, min_count: int, lowercase: bool) -> "BPETokenizer":
        """The most frequent pair of neighbors becomes a token, again and again, until there are vocab_size.

        Learning takes time with the square of a run without a space (or of spaces), so runs are cut at 256
        characters; encoding cuts nothing.

        min_count: pairs seen less often stay two tokens. Raises RequestError when vocab_size is below 260.
        """
        check_limits(vocab_size=vocab_size, min_count=min_count, smallest=SMALLEST)
        library = _library()
        bpe = library.Tokenizer(library.models.BPE())
        bpe.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocab_size - len(SPECIAL_TOKENS),
            min_frequency=min_count,
            initial_alphabet=_alphabet(),
            show_progress=False,
        )
        cleaned = (clean(text, lowercase=lowercase) for text in texts)
        bpe.train_from_iterator((piece for text in cleaned for piece in _without_long_runs(text)), trainer=trainer)
        merges = json.loads(bpe.to_str())["model"]["merges"]
        return cls(merges=[f"{left} {right}" for left, right in merges], lowercase=lowercase)

    @property
    def vocab_size(self) -> int:
        return len(self._tokens)

    @property
    def tokens(self) -> list[str]:
        return list(self._tokens)

    def encode(self, text: str) -> list[int]:
        return self._bpe.encode(clean(text, lowercase=self._lowercase), add_special_tokens=False).ids

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        return list(self._encode_chunks(texts))

    def _encode_chunks(self, texts: Sequence[str]) -> Iterator[list[int]]:
        for start in range(0, len(texts), _CHUNK):
            chunk = [clean(text, lowercase=self._lowercase) for text in texts[start : start + _CHUNK]]
            for encoding in self._bpe.encode_batch_fast(chunk, add_special_tokens=False):
                yield encoding.ids

    def decode(self, ids: Iterable[int]) -> str:
        return self._bpe.decode([number for number in ids if number > EOS], skip_special_tokens=False)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "bpe", "lowercase": self._lowercase, "merges": self._merges}


def _without_long_runs(text: str) -> Iterator[str]:
    """The text, cut wherever 256 characters went by without a change from space to no space or back."""
    start = 0
    for run in _LONG_RUN.finditer(text):
        yield text[start : run.end()]
        start = run.end()
    yield text[start:]


@cache
def _library() -> ModuleType:
    """The package, set to use threads here and none in forked processes.

    A child forked by a data loader has none of its parent's threads. With TOKENIZERS_PARALLELISM=true it would wait
    for them for ever; without any setting, some versions print a warning.
    """
    try:
        import tokenizers
    except ImportError as error:
        raise missing_extra("tokenizers", "text") from error
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.register_at_fork(after_in_child=lambda: os.environ.update(TOKENIZERS_PARALLELISM="false"))
    return tokenizers


@cache
def _alphabet() -> list[str]:
    """The 256 bytes as the library spells them, in the order of their code points."""
    return sorted(_library().pre_tokenizers.ByteLevel.alphabet())


def bytes_of(token: str) -> bytes:
    """The bytes of a token as the library spells it: printable ones are themselves, the others moved up from U+0100."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in printable]
    return bytes(ord(sign) if ord(sign) < 0x100 else moved[ord(sign) - 0x100] for sign in token)
