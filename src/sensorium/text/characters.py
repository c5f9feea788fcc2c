"""Text as Unicode characters (code points): no word is unknown, and sequences are long."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sensorium.text.tokenizer import clean
from sensorium.text.vocabulary import Vocabulary, most_frequent


class CharTokenizer:
    """Decoding gives back exactly the encoded text, in lower case if asked, when its characters are all in the list.

    A character that is not becomes UNK. Lone surrogates are read as U+FFFD (see `clean`).

    characters: in the order of their numbers, without the special tokens. lowercase: texts are put in lower case.
    """

    def __init__(self, *, characters: Sequence[str], lowercase: bool) -> None:
        self._vocabulary = Vocabulary(characters)
        self._lowercase = lowercase

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int, min_count: int, lowercase: bool) -> "CharTokenizer":
        """The characters of the texts, the most frequent first; see `most_frequent`."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(clean(text, lowercase=lowercase))
        vocabulary = most_frequent(counts, vocab_size=vocab_size, min_count=min_count)
        return cls(characters=vocabulary.pieces, lowercase=lowercase)

    @property
    def vocab_size(self) -> int:
        return len(self._vocabulary)

    @property
    def tokens(self) -> list[str]:
        return self._vocabulary.tokens

    def encode(self, text: str) -> list[int]:
        return self._vocabulary.encode(clean(text, lowercase=self._lowercase))

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self._vocabulary.decode(ids))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "char", "lowercase": self._lowercase, "characters": self._vocabulary.pieces}
