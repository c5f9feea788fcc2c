"""Settings of datasets of texts: how tokens are made, and how many of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast, get_args

from sensorium.data.settings import Settings, check_counts
from sensorium.data.text.texts import Texts
from sensorium.data.text.tokens import TokenStore, learn_tokenizer
from sensorium.errors import RequestError, unknown
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import Tokenizer, TokenizerKind

_UNITS = {"word": "words", "char": "characters", "bpe": "subword tokens"}
_SIDES = ("source", "target")


@dataclass(frozen=True, kw_only=True)
class TokenizerSettings(Settings):
    """tokenizer: word, char, bpe, or what a trained one's `to_dict` gave. The others are for one that is trained:
    vocab_size: tokens at most. min_count: rarer tokens are unknown. lowercase: whether letters are folded first.
    """

    tokenizer: str | Mapping[str, Any]
    vocab_size: int
    min_count: int
    lowercase: bool

    def check(self) -> None:
        super().check()
        _check_kind(self.tokenizer)

    @property
    def trained(self) -> bool:
        """Whether the tokenizer comes ready, from an earlier training."""
        return not isinstance(self.tokenizer, str)

    def build_tokenizer(self, texts: Texts) -> Tokenizer:
        """The ready one, or one trained on these texts, which are those of train."""
        return self._build(self.tokenizer, texts)

    def _build(self, tokenizer: str | Mapping[str, Any], *texts: Texts) -> Tokenizer:
        if not isinstance(tokenizer, str):
            return tokenizer_from_dict(tokenizer)
        return learn_tokenizer(
            cast(TokenizerKind, tokenizer),  # checked when the settings were made
            texts,
            vocab_size=self.vocab_size,
            min_count=self.min_count,
            lowercase=self.lowercase,
        )


@dataclass(frozen=True, kw_only=True)
class TextSettings(TokenizerSettings):
    """max_length: tokens a text is truncated to."""

    max_length: int

    def check(self) -> None:
        super().check()
        check_length("max_length", self.max_length)


@dataclass(frozen=True, kw_only=True)
class PairSettings(TextSettings):
    """tokenizer: one kind for both sides, or {"source": ..., "target": ...}. shared_vocabulary: one vocabulary for both
    languages. max_length: tokens a sentence is truncated to, on both sides.
    """

    shared_vocabulary: bool

    def check(self) -> None:
        super().check()
        pair = self._pair()
        for kind in pair.values():
            _check_kind(kind)
        if self.shared_vocabulary and pair["source"] != pair["target"]:
            raise RequestError(
                f"dataset.tokenizer={dict(pair)} and dataset.shared_vocabulary=true contradict each other.\n"
                "Give one kind for both sides, or dataset.shared_vocabulary=false."
            )

    def build_tokenizers(self, source: Texts, target: Texts) -> list[Tokenizer]:
        """One for each side, the same object where the vocabulary is shared; trained on these texts."""
        pair = self._pair()
        if self.shared_vocabulary:
            return [self._build(pair["source"], source, target)] * 2
        return [self._build(pair[side], texts) for side, texts in zip(_SIDES, (source, target), strict=True)]

    def side_trained(self, side: str) -> bool:
        """Whether the tokenizer of a side comes ready."""
        return not isinstance(self._pair()[side], str)

    def _pair(self) -> Mapping[str, Any]:
        pair = self.tokenizer if isinstance(self.tokenizer, Mapping) else dict.fromkeys(_SIDES, self.tokenizer)
        if set(pair) != set(_SIDES):
            raise RequestError(
                f"dataset.tokenizer has the keys {', '.join(map(str, pair)) or 'none'}.\n"
                "Give one kind (word, char, bpe) for both sides, or {source: KIND, target: KIND}."
            )
        return pair


@dataclass(frozen=True, kw_only=True)
class DrawnTexts(Settings):
    """Of synthetic texts, no one of which is in two splits. train, val, test: how many each has, `most` together at
    most; None for no limit. data_seed: which ones are drawn.
    """

    most: ClassVar[int | None] = None

    train: int
    val: int
    test: int
    data_seed: int

    def check(self) -> None:
        super().check()
        check_counts(**self.counts)
        if self.most is not None and sum(self.counts.values()) > self.most:
            given = ", ".join(f"{split}={count}" for split, count in self.counts.items())
            raise RequestError(f"dataset.{given}: give {self.most:,} together at most.")

    @property
    def counts(self) -> dict[str, int]:
        """How many texts each split has."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True, kw_only=True)
class RunningTextSettings(TokenizerSettings):
    """context: tokens of a segment in training."""

    context: int

    def check(self) -> None:
        super().check()
        check_length("context", self.context)


def _check_kind(tokenizer: object) -> None:
    if isinstance(tokenizer, str) and tokenizer not in get_args(TokenizerKind):
        raise unknown("tokenizer", tokenizer, get_args(TokenizerKind))


def check_length(key: str, value: int, *, smallest: int = 1) -> int:
    """The value of dataset.KEY, which counts tokens."""
    if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
        raise RequestError(f"dataset.{key}={value}: give a number of tokens, {smallest} or more.")
    return value


def vocabulary_note(tokenizer: Tokenizer, *, name: str = "vocabulary", trained: bool) -> str:
    """Such as "vocabulary: 5,000 words"."""
    kind = tokenizer.to_dict()["kind"]
    origin = ", from an earlier training" if trained else ""
    return f"{name}: {tokenizer.vocab_size:,} {_UNITS[kind]}, 4 of them special{origin}"


def unknown_note(tokens: Mapping[str, TokenStore], *, name: str = "unknown tokens") -> str:
    """The share of unknown tokens in each split by name."""
    shares = (f"{100 * store.unknown_share():.1f}% of {split}" for split, store in tokens.items())
    return f"{name}: {', '.join(shares)}"
