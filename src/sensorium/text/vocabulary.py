"""A fixed vocabulary of pieces and their ids, and the tokenizer that looks pieces up in one."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from sensorium.errors import RequestError
from sensorium.text.tokenizer import EOS, SPECIAL_TOKENS, UNK


class Vocabulary:
    """pieces: in the order of their numbers, without the special tokens, which come before them.

    Raises ValueError when a piece occurs twice, TypeError when one is no text.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = list(pieces)
        if not all(isinstance(piece, str) for piece in self.pieces):
            raise TypeError("a list of texts is needed")
        self._ids = {piece: number for number, piece in enumerate(self.pieces, start=len(SPECIAL_TOKENS))}
        if len(self._ids) != len(self.pieces):
            raise ValueError("a piece occurs twice")

    def __len__(self) -> int:
        return len(self.pieces) + len(SPECIAL_TOKENS)

    @property
    def tokens(self) -> list[str]:
        """Special tokens and pieces, in the order of their numbers."""
        return [*SPECIAL_TOKENS, *self.pieces]

    def encode(self, pieces: Iterable[str]) -> list[int]:
        """A number for each piece, UNK for one that is not in the list."""
        ids = self._ids
        return [ids.get(piece, UNK) for piece in pieces]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The pieces with these numbers, special tokens omitted."""
        return [self.pieces[number - len(SPECIAL_TOKENS)] for number in ids if number > EOS]


class PieceTokenizer(ABC):
    """A text is split into pieces, and a piece that is not in the list becomes UNK.

    Lone surrogates are read as U+FFFD (see `clean`). A sub-class says what a piece is, and how pieces make a text.

    pieces: in the order of their numbers, without the special tokens. lowercase: texts are put in lower case.
    """

    kind: ClassVar[str]
    name: ClassVar[str]  # of the list of pieces in `to_dict`

    def __init__(self, *, pieces: Sequence[str], lowercase: bool) -> None:
        self._vocabulary = Vocabulary(pieces)
        self._lowercase = lowercase

    @classmethod
    def train(cls, texts: Iterable[str], *, vocab_size: int, min_count: int, lowercase: bool) -> Self:
        """The pieces of the texts, the most frequent first; see `most_frequent`."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(cls.split(text, lowercase=lowercase))
        vocabulary = most_frequent(counts, vocab_size=vocab_size, min_count=min_count)
        return cls(pieces=vocabulary.pieces, lowercase=lowercase)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The tokenizer whose `to_dict` gave these values. Raises KeyError, TypeError or ValueError for others."""
        return cls(pieces=values[cls.name], lowercase=bool(values["lowercase"]))

    @staticmethod
    @abstractmethod
    def split(text: str, /, *, lowercase: bool) -> Iterable[str]:
        """The pieces of a text."""

    @staticmethod
    @abstractmethod
    def join(pieces: Iterable[str], /) -> str:
        """The text of these pieces."""

    @property
    def vocab_size(self) -> int:
        return len(self._vocabulary)

    @property
    def tokens(self) -> list[str]:
        return self._vocabulary.tokens

    def encode(self, text: str) -> list[int]:
        return self._vocabulary.encode(self.split(text, lowercase=self._lowercase))

    def encode_many(self, texts: Sequence[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def decode(self, ids: Iterable[int]) -> str:
        return self.join(self._vocabulary.decode(ids))

    def written(self, text: str) -> list[str]:
        """The pieces of a text as they are written in it, in their own case: one for each number of `encode`."""
        pieces, encoded = (list(self.split(text, lowercase=lower)) for lower in (False, self._lowercase))
        return pieces if len(pieces) == len(encoded) else encoded  # there are letters that become two in lower case

    def decode_with(self, ids: Iterable[int], unknown: Iterable[str]) -> str:
        """As `decode`, with a piece for each UNK, in their order."""
        given, names = iter(unknown), self._vocabulary.tokens
        return self.join(next(given) if id_ == UNK else names[id_] for id_ in ids if id_ == UNK or id_ > EOS)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "lowercase": self._lowercase, self.name: self._vocabulary.pieces}


def most_frequent(counts: Mapping[str, int], *, vocab_size: int, min_count: int) -> Vocabulary:
    """The pieces seen most often come first; those seen equally often in the order of their code points.

    vocab_size: the limit, special tokens included. min_count: pieces seen less often are omitted.

    Raises RequestError when there is no room for a single piece, or when all are omitted.
    """
    check_limits(vocab_size=vocab_size, min_count=min_count, smallest=len(SPECIAL_TOKENS) + 1)
    kept = sorted((piece for piece, count in counts.items() if count >= min_count), key=lambda x: (-counts[x], x))
    if counts and not kept:
        raise RequestError(
            f"min_count={min_count} leaves an empty vocabulary: the most frequent of {len(counts):,} tokens was seen "
            f"{max(counts.values())} times.\nGive a smaller min_count."
        )
    return Vocabulary(kept[: vocab_size - len(SPECIAL_TOKENS)])


def check_limits(*, vocab_size: int, min_count: int, smallest: int) -> None:
    """A RequestError when the vocabulary could not hold what it must, or when min_count is not a count."""
    if vocab_size < smallest:
        raise RequestError(
            f"dataset.vocab_size={vocab_size} is too small: it counts the {len(SPECIAL_TOKENS)} special tokens too; "
            f"give at least {smallest}."
        )
    if min_count < 1:
        raise RequestError(f"min_count={min_count} is no count of occurrences; give 1 (keep everything) or more.")
