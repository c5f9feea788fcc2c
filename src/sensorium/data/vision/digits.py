"""Handwritten digits of 8 x 8 pixels that come inside scikit-learn: 1,797 pictures, nothing to download.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998 (its test
set).
"""

from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_digits

from sensorium.data.base import Data, OnBad
from sensorium.data.vision.arrays import ArraySettings, LabelledArray
from sensorium.data.vision.store import Channels
from sensorium.specs import Resize


class Digits:
    """Ten classes, "0" to "9". The brightness from 0 to 16 is scaled to 0 to 255."""

    task = "classification"

    def __init__(
        self,
        *,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        test_fraction: float,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        self._settings = ArraySettings(
            image_size=image_size,
            resize=resize,
            channels=channels,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        digits = load_digits()
        pixels = np.rint(digits.images[:, None] * (255 / 16)).astype(np.uint8)
        examples = LabelledArray("digits", pixels, digits.target.astype(np.int64))
        return self._settings.make(examples, None, [str(name) for name in digits.target_names], on_bad)
