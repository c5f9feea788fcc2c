"""Canvases with several of the scanned digits inside scikit-learn, tagged with those they hold: nothing to download.

Train, validation and test are drawn from digits that the others do not have, each canvas by numbers of its own: canvas
17 of a part is the same however many there are.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_digits

from sensorium.data.base import Data, OnBad, refuse
from sensorium.data.duplicates import PARTS
from sensorium.data.splits import hold_out
from sensorium.data.vision.store import ArrayStore, Channels, channel_statistics, check_settings, parse_size
from sensorium.data.vision.tags import TagSplit
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ImageTaggingSpec, Resize

SIDE, CELL, DIGIT = 24, 12, 8  # pixels of a canvas, of the square in which a digit has its place, and of a digit
MOST_DIGITS = (SIDE // CELL) ** 2
_TAGS = tuple("0123456789")
_HELD_OUT = {"test": 0.2, "val": 0.1}  # of the digits of every class


class DigitTags:
    """Canvases of 24 x 24 grey pixels with 0 to max_digits different digits; the tags are the digits there.

    num_train, num_val, num_test: canvases of each part. max_digits: from 1 to 4. split_seed: which digits go to which
    part, and what the canvases look like.
    """

    task = "image_tagging"

    def __init__(
        self,
        *,
        num_train: int,
        num_val: int,
        num_test: int,
        max_digits: int,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        split_seed: int,
    ) -> None:
        check_settings(resize=resize, channels=channels)
        counts = {"num_train": num_train, "num_val": num_val, "num_test": num_test, "max_digits": max_digits}
        for key, count in counts.items():
            if not isinstance(count, int) or count < 1:
                raise RequestError(f"dataset.{key}={count}: give a whole number from 1 on.")
        if max_digits > MOST_DIGITS:
            raise RequestError(f"dataset.max_digits={max_digits}: a canvas has room for {MOST_DIGITS}.")
        self._counts = {"train": num_train, "val": num_val, "test": num_test}
        self._max_digits, self._split_seed = max_digits, split_seed
        self._image_size, self._resize, self._channels = parse_size(image_size), resize, channels

    def load(self, *, on_bad: OnBad) -> Data:
        refuse([], on_bad=on_bad)
        digits = load_digits()
        rows = hold_out(
            labels=digits.target.astype(np.int64),
            keys=[hashlib.sha256(image.tobytes()).hexdigest() for image in digits.images],
            fractions=_HELD_OUT,
            seed=self._split_seed,
            class_names=_TAGS,
        )
        splits = {
            part: self._split(number, part, digits.images[rows[part]], digits.target[rows[part]])
            for number, part in enumerate(PARTS)
        }
        mean, std = channel_statistics(splits["train"].images)
        channels, height, width = splits["train"].images.shape
        spec = ImageTaggingSpec(
            class_names=_TAGS,
            in_channels=channels,
            image_size=(height, width),
            mean=mean,
            std=std,
            resize=self._resize,
        )
        note = f"synthetic canvases, of digits that no other part has (split_seed {self._split_seed})"
        return Data(spec=spec, train=splits["train"], val=splits["val"], test=splits["test"], notes=(note,))

    def _split(self, number: int, part: str, digits: np.ndarray, labels: np.ndarray) -> TagSplit:
        drawn = [
            draw_canvas(digits, labels, max_digits=self._max_digits, random=generator(self._split_seed, number, row))
            for row in range(self._counts[part])
        ]
        pixels = np.stack([canvas for canvas, _ in drawn])[:, None]
        store = ArrayStore(pixels, image_size=self._image_size, channels=self._channels, resize=self._resize)
        targets = np.zeros((len(drawn), len(_TAGS)), dtype=np.uint8)
        for row, (_, tags) in enumerate(drawn):
            targets[row, tags] = 1
        return TagSplit(store, targets, [f"digit_tags/{part}[{row}]" for row in range(len(drawn))])


def draw_canvas(
    digits: np.ndarray, labels: np.ndarray, *, max_digits: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A canvas (SIDE, SIDE) uint8, and the digits on it, in order.

    digits: (N, 8, 8) from 0 to 16. labels: (N,) which digit each is.
    """
    tags = np.sort(random.choice(len(_TAGS), size=int(random.integers(0, max_digits + 1)), replace=False))
    cells = random.permutation(MOST_DIGITS)
    canvas = np.zeros((SIDE, SIDE))
    for tag, cell in zip(tags, cells, strict=False):
        digit = digits[random.choice(np.flatnonzero(labels == tag))]
        top, left = np.array(divmod(cell, SIDE // CELL)) * CELL + random.integers(0, CELL - DIGIT + 1, size=2)
        canvas[top : top + DIGIT, left : left + DIGIT] = digit * (255 / 16) * random.uniform(0.5, 1)
    canvas += random.normal(20, 15, canvas.shape)
    return np.rint(canvas.clip(0, 255)).astype(np.uint8), tags
