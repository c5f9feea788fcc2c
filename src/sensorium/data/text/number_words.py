"""Synthetic: numbers in English words and in German or French ones, as num2words writes them.

    nineteen thousand, two hundred and three  ->  neunzehntausendzweihundertdrei

The numbers of val and test are not in train: what has to be learned is how numbers are put together.
"""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.text.pairs import PairListing, translated
from sensorium.data.text.text_settings import DrawnTexts, PairSettings
from sensorium.errors import unknown
from sensorium.randomness import generator
from sensorium.synthetic.number_words import NumberWriter

_NAME = "number_words"
_TARGETS = ("de", "fr")
_NUMBERS = 1_000_000  # from 0 to one below


@dataclass(frozen=True, kw_only=True)
class NumberWords(PairSettings, DrawnTexts):
    """target: de or fr. train, val, test: different numbers in each part. data_seed: which numbers are drawn."""

    task = "translation"
    most = _NUMBERS

    target: str

    def check(self) -> None:
        super().check()
        if self.target not in _TARGETS:
            raise unknown("target language of number words", self.target, _TARGETS)

    def load(self, *, on_bad: OnBad) -> Data:
        source, target = NumberWriter("en"), NumberWriter(self.target)
        found = PairListing(_NAME)
        found.notes.append(f"{_NAME} is synthetic: numbers below {_NUMBERS:,} in words, made by a program")
        numbers = iter(generator(self.data_seed).permutation(_NUMBERS)[: sum(self.counts.values())].tolist())
        for split, count in self.counts.items():
            for line in range(1, count + 1):
                number = next(numbers)
                place = f"{_NAME}/{split}"
                found.add(source.of(number), target.of(number), place=place, line=line, split=split)
        return translated(found, self, on_bad=on_bad)
