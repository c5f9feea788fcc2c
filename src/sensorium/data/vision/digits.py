"""Handwritten digits of 8 x 8 pixels included in scikit-learn: 1,797 images, nothing to download."""

from dataclasses import dataclass

import numpy as np

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import HoldOut
from sensorium.data.vision.arrays import ArraySettings, LabeledArray, array_classes
from sensorium.data.vision.scanned_digits import CLASSES, scanned_digits


@dataclass(frozen=True, kw_only=True)
class Digits(ArraySettings, HoldOut):
    """Ten classes, "0" to "9". The brightness from 0 to 16 is scaled to 0 to 255."""

    task = "classification"

    def load(self, *, on_bad: OnBad) -> Data:
        digits = scanned_digits()
        pixels = np.rint(digits.images[:, None] * (255 / 16)).astype(np.uint8)
        examples = LabeledArray("digits", pixels, digits.labels)
        return array_classes(examples, None, list(CLASSES), self, on_bad=on_bad)
