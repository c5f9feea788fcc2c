"""Synthetic offers of furniture and their prices: `sensorium.synthetic.price_texts`."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.text.labeled import TextListing, text_numbers
from sensorium.data.text.text_settings import DrawnTexts, TextSettings
from sensorium.synthetic.price_texts import MOST, offers

_NAME = "price_texts"


@dataclass(frozen=True, kw_only=True)
class PriceTexts(TextSettings, DrawnTexts):
    """train, val, test: number of offers in each part; no offer is in two. data_seed: which ones are drawn."""

    task = "regression"
    most = MOST

    def load(self, *, on_bad: OnBad) -> Data:
        found = TextListing(_NAME)
        found.notes.append(f"{_NAME} is synthetic: offers and prices made by a program")
        drawn = offers(self.data_seed)
        for split, count in self.counts.items():
            for number in range(1, count + 1):
                text, price = next(drawn)
                found.add(text, (price,), source=f"{_NAME}/{split}", line=number, split=split)
        return text_numbers(found, self, ("price",), on_bad=on_bad)
