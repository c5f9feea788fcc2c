"""Scanned digits of scikit-learn, rotated and scaled, with angle and size as targets. Nothing to download.

Train, validation and test are drawn from digits that the others do not have, each image by numbers of its own: image 17
of a split is the same however many there are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, check_on_bad
from sensorium.data.targets.numbers import statistics
from sensorium.data.vision.drawn import DrawnImages
from sensorium.data.vision.splits import ImageRegressionSplit
from sensorium.data.vision.store import ArrayStore, image_fields
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ImageRegressionSpec
from sensorium.synthetic.poses import SIDE, draw_digit

SIZES = (10.0, 18.0)  # pixels of a digit as it is drawn
TARGETS = ("angle", "size")


@dataclass(frozen=True, kw_only=True)
class DigitPose(DrawnImages):
    """Images of 24 x 24 gray pixels with a digit in the middle. Targets: its angle in degrees, positive
    counterclockwise, and the side in pixels of the square that the digit was scanned in.

    max_angle: degrees to either side, up to 90.
    """

    task = "regression"

    max_angle: float

    def check(self) -> None:
        super().check()
        if not 0 < self.max_angle <= 90:
            raise RequestError(f"dataset.max_angle={self.max_angle}: give degrees above 0, up to 90.")

    def load(self, *, on_bad: OnBad) -> Data:
        check_on_bad(on_bad)
        scanned = self.scanned_digits()
        drawn = {
            split: self._draw(number, split, digits.images) for number, (split, digits) in enumerate(scanned.items())
        }
        target_mean, target_std = statistics("digit_pose", TARGETS, drawn["train"][1])
        splits: dict[str, Any] = {
            split: ImageRegressionSplit(
                store, targets, [f"digit_pose/{split}[{row}]" for row in range(len(targets))], target_mean, target_std
            )
            for split, (store, targets) in drawn.items()
        }
        spec = ImageRegressionSpec(
            target_names=TARGETS,
            target_mean=target_mean,
            target_std=target_std,
            **image_fields(splits["train"].images, resize=self.resize),
        )
        note = f"synthetic images, of digits that no other split has (split_seed {self.split_seed})"
        return Data(spec=spec, **splits, notes=(note,))

    def _draw(self, number: int, split: str, digits: np.ndarray) -> tuple[ArrayStore, np.ndarray]:
        """The images of a split, and their targets (N, 2) float64."""
        drawn, targets = [], []
        for row in range(self.counts[split]):
            random = generator(self.split_seed, number, row)
            digit = digits[random.integers(len(digits))]
            angle, size = random.uniform(-self.max_angle, self.max_angle), random.uniform(*SIZES)
            noise = random.normal(20, 12, (SIDE, SIDE))
            drawn.append(np.rint((draw_digit(digit, angle=angle, size=size) + noise).clip(0, 255)).astype(np.uint8))
            targets.append((angle, size))
        store = ArrayStore(np.stack(drawn)[:, None], image_size=self.size, channels=self.channels, resize=self.resize)
        return store, np.array(targets)
