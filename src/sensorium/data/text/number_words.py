"""Synthetic: numbers in English words and in German or French ones, as num2words writes them.

    nineteen thousand, two hundred and three  ->  neunzehntausendzweihundertdrei

The numbers of val and test are not in train: what has to be learned is how numbers are put together.
"""

from dataclasses import dataclass
from functools import cache, partial

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import check_counts
from sensorium.data.text.pairs import PairListing, translated
from sensorium.data.text.settings import PairSettings
from sensorium.errors import RequestError, missing_extra, unknown
from sensorium.randomness import generator

_NAME = "number_words"
_TARGETS = ("de", "fr")
_NUMBERS = 1_000_000  # from 0 to one below


@dataclass(frozen=True, kw_only=True)
class NumberWords(PairSettings):
    """target: de or fr. train, val, test: different numbers in each part. data_seed: which numbers are drawn."""

    task = "translation"

    target: str
    train: int
    val: int
    test: int
    data_seed: int

    def check(self) -> None:
        super().check()
        if self.target not in _TARGETS:
            raise unknown("target language of number words", self.target, _TARGETS)
        check_counts(train=self.train, val=self.val, test=self.test)
        if self.train + self.val + self.test > _NUMBERS:
            raise RequestError(
                f"dataset.train={self.train}, val={self.val}, test={self.test}: give {_NUMBERS:,} together at most."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        source, target = _Words("en"), _Words(self.target)
        found = PairListing(_NAME)
        found.notes.append(f"{_NAME} is synthetic: numbers below {_NUMBERS:,} in words, made by a program")
        numbers = iter(generator(self.data_seed).permutation(_NUMBERS)[: self.train + self.val + self.test].tolist())
        for split, count in (("train", self.train), ("val", self.val), ("test", self.test)):
            for line in range(1, count + 1):
                number = next(numbers)
                place = f"{_NAME}/{split}"
                found.add(source.of(number), target.of(number), place=place, line=line, split=split)
        return translated(found, self, on_bad=on_bad)


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
