"""Synthetic: numbers in English words and in German or French ones, as num2words writes them.

    nineteen thousand, two hundred and three  ->  neunzehntausendzweihundertdrei

The numbers of val and test are not in train: what has to be learned is how numbers are put together.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from sensorium.data.base import Data, OnBad
from sensorium.data.text.pairs import PairSettings, SentencePairs
from sensorium.errors import RequestError, missing_extra, unknown
from sensorium.randomness import generator

_NAME = "number_words"
_TARGETS = ("de", "fr")
_NUMBERS = 1_000_000  # from 0 to one below


class NumberWords:
    """target: de or fr. train, val, test: different numbers in each part. data_seed: which numbers are drawn."""

    task = "translation"

    def __init__(
        self,
        *,
        target: str,
        train: int,
        val: int,
        test: int,
        data_seed: int,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        shared_vocabulary: bool,
    ) -> None:
        if target not in _TARGETS:
            raise unknown("target language of number words", target, _TARGETS)
        counts = {"train": train, "val": val, "test": test}
        if min(counts.values()) < 1 or sum(counts.values()) > _NUMBERS:
            raise RequestError(
                f"dataset.train={train}, val={val}, test={test}: give at least 1 each, {_NUMBERS:,} together at most."
            )
        self._target, self._counts, self._seed = target, counts, data_seed
        self._settings = PairSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            shared_vocabulary=shared_vocabulary,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        source, target = _Words("en"), _Words(self._target)
        found = SentencePairs(_NAME)
        found.notes.append(f"{_NAME} is synthetic: numbers below {_NUMBERS:,} in words, made by a program")
        numbers = iter(generator(self._seed).permutation(_NUMBERS)[: sum(self._counts.values())].tolist())
        for part, count in self._counts.items():
            for line in range(1, count + 1):
                number = next(numbers)
                place = f"{_NAME}/{part}"
                found.add(source.of(number), target.of(number), place=place, line=line, part=part)
        return self._settings.make(found, on_bad)


class _Words:
    """Numbers in words. num2words, which is slow, is asked for whole thousands and for what is behind them only."""

    def __init__(self, language: str) -> None:
        try:
            from num2words import num2words
        except ImportError as error:
            raise missing_extra("num2words", "text") from error
        self._language = language
        self._ask = cache(partial(num2words, lang=language))

    def of(self, number: int) -> str:
        """What num2words says of a number below a million."""
        rest = number % 1000
        if number < 1000 or not rest:
            return self._ask(number)
        between = {"en": ", " if rest >= 100 else " and ", "de": "", "fr": " "}[self._language]
        return self._ask(number - rest) + between + self._ask(rest)
