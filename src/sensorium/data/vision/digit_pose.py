"""Scanned digits of scikit-learn, turned and enlarged: by how many degrees, to what size? Nothing to download.

Train, validation and test are drawn from digits that the others do not have, each image by numbers of its own: image 17
of a part is the same however many there are.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from sensorium.data.base import Data, OnBad, refuse
from sensorium.data.duplicates import PARTS
from sensorium.data.splits import hold_out
from sensorium.data.targets import statistics
from sensorium.data.vision.store import ArrayStore, Channels, channel_statistics, check_settings, parse_size
from sensorium.data.vision.target_files import ImageRegressionSplit
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ImageRegressionSpec, Resize

SIDE, DIGIT = 24, 8  # pixels of an image, and of a digit as it was scanned
SIZES = (10.0, 18.0)  # pixels of a digit as it is drawn
TARGETS = ("angle", "size")
_HELD_OUT = {"test": 0.2, "val": 0.1}  # of the digits of every class


class DigitPose:
    """Images of 24 x 24 gray pixels with a digit in the middle. Targets: its angle in degrees, positive
    counterclockwise, and the side in pixels of the square that the digit was scanned in.

    num_train, num_val, num_test: images of each part. max_angle: degrees to either side, up to 90. split_seed: which
    digits go to which part, and what the images look like.
    """

    task = "regression"

    def __init__(
        self,
        *,
        num_train: int,
        num_val: int,
        num_test: int,
        max_angle: float,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        split_seed: int,
    ) -> None:
        check_settings(resize=resize, channels=channels)
        self._counts = {"train": num_train, "val": num_val, "test": num_test}
        for part, count in self._counts.items():
            if not isinstance(count, int) or count < 1:
                raise RequestError(f"dataset.num_{part}={count}: give a whole number from 1 on.")
        if not 0 < max_angle <= 90:
            raise RequestError(f"dataset.max_angle={max_angle}: give degrees above 0, up to 90.")
        self._max_angle, self._split_seed = max_angle, split_seed
        self._image_size, self._resize, self._channels = parse_size(image_size), resize, channels

    def load(self, *, on_bad: OnBad) -> Data:
        refuse([], on_bad=on_bad)
        digits = load_digits()
        rows = hold_out(
            labels=digits.target.astype(np.int64),
            keys=[hashlib.sha256(image.tobytes()).hexdigest() for image in digits.images],
            fractions=_HELD_OUT,
            seed=self._split_seed,
            class_names=tuple("0123456789"),
        )
        drawn = {part: self._draw(number, part, digits.images[rows[part]]) for number, part in enumerate(PARTS)}
        target_mean, target_std = statistics("digit_pose", TARGETS, drawn["train"][1])
        splits = {
            part: ImageRegressionSplit(
                store, targets, [f"digit_pose/{part}[{row}]" for row in range(len(targets))], target_mean, target_std
            )
            for part, (store, targets) in drawn.items()
        }
        mean, std = channel_statistics(splits["train"].images)
        channels, height, width = splits["train"].images.shape
        spec = ImageRegressionSpec(
            target_names=TARGETS,
            target_mean=target_mean,
            target_std=target_std,
            in_channels=channels,
            image_size=(height, width),
            mean=mean,
            std=std,
            resize=self._resize,
        )
        note = f"synthetic images, of digits that no other part has (split_seed {self._split_seed})"
        return Data(spec=spec, train=splits["train"], val=splits["val"], test=splits["test"], notes=(note,))

    def _draw(self, number: int, part: str, digits: np.ndarray) -> tuple[ArrayStore, np.ndarray]:
        """The images of a part, and their targets (N, 2) float64."""
        drawn, targets = [], []
        for row in range(self._counts[part]):
            random = generator(self._split_seed, number, row)
            digit = digits[random.integers(len(digits))]
            angle, size = random.uniform(-self._max_angle, self._max_angle), random.uniform(*SIZES)
            noise = random.normal(20, 12, (SIDE, SIDE))
            drawn.append(np.rint((draw_digit(digit, angle=angle, size=size) + noise).clip(0, 255)).astype(np.uint8))
            targets.append((angle, size))
        store = ArrayStore(
            np.stack(drawn)[:, None], image_size=self._image_size, channels=self._channels, resize=self._resize
        )
        return store, np.array(targets)


def draw_digit(digit: np.ndarray, *, angle: float, size: float) -> np.ndarray:
    """(8, 8) from 0 to 16 -> (SIDE, SIDE) uint8: the digit in the middle, `size` pixels of side, turned by `angle`
    degrees counterclockwise.
    """
    pixels = Image.fromarray(np.rint(digit * (230 / 16)).astype(np.uint8))
    # From a place in the image, seen from its middle, back to one in the digit; y grows downwards.
    cosine, sine = (f(math.radians(angle)) * DIGIT / size for f in (math.cos, math.sin))
    middle, center = SIDE / 2, DIGIT / 2
    back = (
        cosine,
        -sine,
        center - (cosine - sine) * middle,
        sine,
        cosine,
        center - (sine + cosine) * middle,
    )
    turned = pixels.transform((SIDE, SIDE), Image.Transform.AFFINE, back, resample=Image.Resampling.BILINEAR)
    return np.asarray(turned)
