"""Sentences about the weather and the mood that they express, to show how a dataset is added."""

from dataclasses import dataclass
from itertools import product

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import HoldOut
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_settings import TextSettings

_WORDS = {"happy": ("sunny", "bright", "warm"), "sad": ("rainy", "gray", "cold")}


@dataclass(frozen=True, kw_only=True)
class Moods(TextSettings, HoldOut):
    """days: sentences for each word."""

    days: int

    def load(self, *, on_bad: OnBad) -> Data:
        """Texts with a label each; splits that are not given are held out."""
        found = TextListing("moods")
        for mood, words in _WORDS.items():
            for line, (word, day) in enumerate(product(words, range(self.days)), start=1):
                found.add(f"day {day} was {word}", mood, source=mood, line=line)
        return text_classes(found, self, on_bad=on_bad)
