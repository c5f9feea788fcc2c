"""Synthetic film reviews, labeled by what they say: `sensorium.synthetic.contrast_reviews`."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_settings import DrawnTexts, TextSettings
from sensorium.synthetic.contrast_reviews import reviews

_NAME = "contrast_reviews"
_CLASSES = ("negative", "positive")


@dataclass(frozen=True, kw_only=True)
class ContrastReviews(TextSettings, DrawnTexts):
    """train, val, test: number of sentences in each part; no sentence is in two. data_seed: which ones are drawn."""

    task = "classification"

    def load(self, *, on_bad: OnBad) -> Data:
        found = TextListing(_NAME)
        found.notes.append(f"{_NAME} is synthetic: sentences from a grammar, not written by people")
        sentences = reviews(self.data_seed)
        for split, count in self.counts.items():
            for number in range(1, count + 1):
                text, label = next(sentences)
                found.add(text, _CLASSES[label], source=f"{_NAME}/{split}", line=number, split=split)
        return text_classes(found, self, on_bad=on_bad, class_names=_CLASSES)
