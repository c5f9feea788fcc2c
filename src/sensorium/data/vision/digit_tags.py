"""Canvases with several of the scanned digits inside scikit-learn, tagged with those they hold: nothing to download.

Train, validation and test are drawn from digits that the others do not have, each canvas by numbers of its own: canvas
17 of a split is the same however many there are.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from sensorium.data.base import SPLITS, Data, OnBad, check_on_bad
from sensorium.data.hold_out import hold_out
from sensorium.data.settings import check_counts
from sensorium.data.vision.image_settings import ImageSettings
from sensorium.data.vision.splits import TagSplit
from sensorium.data.vision.store import ArrayStore, channel_statistics
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ImageTaggingSpec
from sensorium.synthetic.canvases import MOST_DIGITS, draw_canvas

_TAGS = tuple("0123456789")
_HELD_OUT = {"test": 0.2, "val": 0.1}  # of the digits of every class


@dataclass(frozen=True, kw_only=True)
class DigitTags(ImageSettings):
    """Canvases of 24 x 24 gray pixels with 0 to max_digits different digits; the tags are the digits there.

    num_train, num_val, num_test: canvases of each split. max_digits: from 1 to 4. split_seed: which digits go to which
    split, and what the canvases look like.
    """

    task = "image_tagging"

    num_train: int
    num_val: int
    num_test: int
    max_digits: int
    split_seed: int

    def check(self) -> None:
        super().check()
        check_counts(num_train=self.num_train, num_val=self.num_val, num_test=self.num_test, max_digits=self.max_digits)
        if self.max_digits > MOST_DIGITS:
            raise RequestError(f"dataset.max_digits={self.max_digits}: a canvas has room for {MOST_DIGITS}.")

    def load(self, *, on_bad: OnBad) -> Data:
        check_on_bad(on_bad)
        digits = load_digits()
        rows = hold_out(
            labels=digits.target.astype(np.int64),
            keys=[hashlib.sha256(image.tobytes()).hexdigest() for image in digits.images],
            fractions=_HELD_OUT,
            seed=self.split_seed,
            class_names=_TAGS,
        )
        splits = {
            split: self._split(number, split, digits.images[rows[split]], digits.target[rows[split]])
            for number, split in enumerate(SPLITS)
        }
        mean, std = channel_statistics(splits["train"].images)
        channels, height, width = splits["train"].images.shape
        spec = ImageTaggingSpec(
            class_names=_TAGS,
            in_channels=channels,
            image_size=(height, width),
            mean=mean,
            std=std,
            resize=self.resize,
        )
        note = f"synthetic canvases, of digits that no other split has (split_seed {self.split_seed})"
        return Data(spec=spec, train=splits["train"], val=splits["val"], test=splits["test"], notes=(note,))

    def _split(self, number: int, split: str, digits: np.ndarray, labels: np.ndarray) -> TagSplit:
        drawn = [
            draw_canvas(digits, labels, max_digits=self.max_digits, random=generator(self.split_seed, number, row))
            for row in range(getattr(self, f"num_{split}"))
        ]
        pixels = np.stack([canvas for canvas, _ in drawn])[:, None]
        store = ArrayStore(pixels, image_size=self.size, channels=self.channels, resize=self.resize)
        targets = np.zeros((len(drawn), len(_TAGS)), dtype=np.uint8)
        for row, (_, tags) in enumerate(drawn):
            targets[row, tags] = 1
        return TagSplit(store, targets, [f"digit_tags/{split}[{row}]" for row in range(len(drawn))])
