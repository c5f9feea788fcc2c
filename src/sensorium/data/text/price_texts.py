"""Synthetic offers of furniture and their prices: `sensorium.synthetic.price_texts`."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import check_counts
from sensorium.data.text.labeled import TextListing, text_numbers
from sensorium.data.text.text_settings import TextSettings
from sensorium.errors import RequestError
from sensorium.synthetic.price_texts import MOST, offers

_NAME = "price_texts"


@dataclass(frozen=True, kw_only=True)
class PriceTexts(TextSettings):
    """train, val, test: number of offers in each part; no offer is in two. data_seed: which ones are drawn."""

    task = "regression"

    train: int
    val: int
    test: int
    data_seed: int

    def check(self) -> None:
        super().check()
        check_counts(train=self.train, val=self.val, test=self.test)
        if self.train + self.val + self.test > MOST:
            raise RequestError(
                f"dataset.train={self.train}, val={self.val}, test={self.test}: give {MOST:,} together at most."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        found = TextListing(_NAME)
        found.notes.append(f"{_NAME} is synthetic: offers and prices made by a program")
        drawn = offers(self.data_seed)
        for split, count in (("train", self.train), ("val", self.val), ("test", self.test)):
            for number in range(1, count + 1):
                text, price = next(drawn)
                found.add(text, (price,), source=f"{_NAME}/{split}", line=number, split=split)
        return text_numbers(found, self, ("price",), on_bad=on_bad)
