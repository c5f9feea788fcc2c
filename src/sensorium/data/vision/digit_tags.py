"""Images with several of scikit-learn's scanned digits, tagged with them: nothing to download.

Train, validation and test are drawn from digits that the others do not have, each canvas by numbers of its own: canvas
17 of a split is the same however many there are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, check_on_bad
from sensorium.data.settings import check_counts
from sensorium.data.vision.drawn import DrawnImages
from sensorium.data.vision.scanned_digits import CLASSES, ScannedDigits
from sensorium.data.vision.splits import TagSplit
from sensorium.data.vision.store import ArrayStore, image_fields
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ImageTaggingSpec
from sensorium.synthetic.canvases import MOST_DIGITS, draw_canvas


@dataclass(frozen=True, kw_only=True)
class DigitTags(DrawnImages):
    """Canvases of 24 x 24 gray pixels with 0 to max_digits different digits; the tags are the digits there.

    max_digits: from 1 to 4.
    """

    task = "image_tagging"

    max_digits: int

    def check(self) -> None:
        super().check()
        check_counts(max_digits=self.max_digits)
        if self.max_digits > MOST_DIGITS:
            raise RequestError(f"dataset.max_digits={self.max_digits}: a canvas has room for {MOST_DIGITS}.")

    def load(self, *, on_bad: OnBad) -> Data:
        check_on_bad(on_bad)
        splits: dict[str, Any] = {
            split: self._split(number, split, digits)
            for number, (split, digits) in enumerate(self.scanned_digits().items())
        }
        spec = ImageTaggingSpec(class_names=CLASSES, **image_fields(splits["train"].images, resize=self.resize))
        note = f"synthetic canvases, of digits that no other split has (split_seed {self.split_seed})"
        return Data(spec=spec, **splits, notes=(note,))

    def _split(self, number: int, split: str, digits: ScannedDigits) -> TagSplit:
        drawn = [
            draw_canvas(*digits, max_digits=self.max_digits, random=generator(self.split_seed, number, row))
            for row in range(self.counts[split])
        ]
        pixels = np.stack([canvas for canvas, _ in drawn])[:, None]
        store = ArrayStore(pixels, image_size=self.size, channels=self.channels, resize=self.resize)
        targets = np.zeros((len(drawn), len(CLASSES)), dtype=np.uint8)
        for row, (_, tags) in enumerate(drawn):
            targets[row, tags] = 1
        return TagSplit(store, targets, [f"digit_tags/{split}[{row}]" for row in range(len(drawn))])
