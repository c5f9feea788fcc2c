"""What every data set of texts can be told about tokens: how they are made, how many of them."""

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from sensorium.data.text.tokens import TokenStore
from sensorium.errors import RequestError, unknown
from sensorium.text.build_tokenizer import tokenizer_from_dict, train_tokenizer
from sensorium.text.tokenizer import Tokenizer, TokenizerKind

_UNITS = {"word": "words", "char": "characters", "bpe": "pieces of words"}


class TokenSettings:
    """tokenizer: word, char, bpe, or what a trained one's `to_dict` gave. The others are for one that is trained.

    Raises RequestError for settings that cannot be.
    """

    def __init__(self, *, tokenizer: str | Mapping[str, Any], vocab_size: int, min_count: int, lowercase: bool) -> None:
        if isinstance(tokenizer, str) and tokenizer not in get_args(TokenizerKind):
            raise unknown("tokenizer", tokenizer, get_args(TokenizerKind))
        self._tokenizer = tokenizer
        self._vocab_size, self._min_count, self._lowercase = vocab_size, min_count, lowercase

    @property
    def trained(self) -> bool:
        """Whether the tokenizer comes ready, from an earlier training."""
        return not isinstance(self._tokenizer, str)

    def tokenizer(self, texts: Iterable[str]) -> Tokenizer:
        """The ready one, or one trained on these texts, which are those of the training part."""
        if not isinstance(self._tokenizer, str):
            return tokenizer_from_dict(self._tokenizer)
        return train_tokenizer(
            self._tokenizer,  # type: ignore[arg-type]
            texts,
            vocab_size=self._vocab_size,
            min_count=self._min_count,
            lowercase=self._lowercase,
        )


def pair_settings(
    *, tokenizer: str | Mapping[str, Any], vocab_size: int, min_count: int, lowercase: bool, shared: bool
) -> tuple[TokenSettings, TokenSettings]:
    """The settings of source and target, from one kind for both or {"source": ..., "target": ...}.

    shared: one vocabulary for both; the two settings are then one object.
    """
    pair = tokenizer if isinstance(tokenizer, Mapping) else {"source": tokenizer, "target": tokenizer}
    if set(pair) != {"source", "target"}:
        raise RequestError(
            f"dataset.tokenizer has the keys {', '.join(map(str, pair)) or 'none'}.\n"
            "Give one kind (word, char, bpe) for both sides, or {source: KIND, target: KIND}."
        )
    if shared and pair["source"] != pair["target"]:
        raise RequestError(
            f"dataset.tokenizer={dict(pair)} and dataset.shared_vocabulary=true contradict each other.\n"
            "Give one kind for both sides, or dataset.shared_vocabulary=false."
        )
    source, target = (
        TokenSettings(tokenizer=pair[side], vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)
        for side in ("source", "target")
    )
    return (source, source) if shared else (source, target)


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
    """The share of unknown tokens in each part by name."""
    shares = (f"{100 * store.unknown_share():.1f} % of {part}" for part, store in tokens.items())
    return f"{name}: {', '.join(shares)}"
