"""The base of datasets whose images are generated from scikit-learn's scanned digits."""

import hashlib
from dataclasses import dataclass

from sensorium.data.base import SPLITS
from sensorium.data.hold_out import hold_out
from sensorium.data.settings import check_counts
from sensorium.data.vision.image_settings import ImageSettings
from sensorium.data.vision.scanned_digits import CLASSES, ScannedDigits, scanned_digits

_HELD_OUT = {"test": 0.2, "val": 0.1}  # of the digits of every class


@dataclass(frozen=True, kw_only=True)
class DrawnImages(ImageSettings):
    """num_train, num_val, num_test: images of each split, drawn from digits that the others do not have, each by
    numbers of its own: image 17 of a split is the same however many there are. split_seed: which digits go to which
    split, and what the images look like.
    """

    num_train: int
    num_val: int
    num_test: int
    split_seed: int

    def check(self) -> None:
        super().check()
        check_counts(num_train=self.num_train, num_val=self.num_val, num_test=self.num_test)

    @property
    def counts(self) -> dict[str, int]:
        """How many images each split has."""
        return {"train": self.num_train, "val": self.num_val, "test": self.num_test}

    def scanned_digits(self) -> dict[str, ScannedDigits]:
        """The digits that the images of each split are drawn from."""
        digits = scanned_digits()
        rows = hold_out(
            labels=digits.labels,
            keys=[hashlib.sha256(image.tobytes()).hexdigest() for image in digits.images],
            fractions=_HELD_OUT,
            seed=self.split_seed,
            class_names=CLASSES,
        )
        return {split: ScannedDigits(digits.images[rows[split]], digits.labels[rows[split]]) for split in SPLITS}
