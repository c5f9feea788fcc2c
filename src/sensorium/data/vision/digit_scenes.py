"""Scenes put together from the scanned digits inside scikit-learn: synthetic, nothing to download.

Train, validation and test are drawn from digits that the others do not have, each scene by numbers of its own: scene
17 of a part is the same however many there are.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from sensorium.data.base import Data, OnBad, refuse
from sensorium.data.duplicates import PARTS
from sensorium.data.splits import hold_out
from sensorium.data.vision.draw_scenes import SIDE, Scene, draw_scene
from sensorium.data.vision.scenes import ArrayMasks, DetectionSplit, MaskSplit
from sensorium.data.vision.store import ArrayStore, Channels, channel_statistics, check_settings, parse_size
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ObjectDetectionSpec, Resize, SemanticSegmentationSpec
from sensorium.vision.palette import distinct_palette

_CLASSES = tuple("0123456789")
_HELD_OUT = {"test": 0.2, "val": 0.1}  # of the digits of every class


class DigitScenes:
    """Scenes of 128 x 128 grey pixels with a box around every whole digit.

    num_train, num_val, num_test: scenes of each part. max_digits: of a scene; it has at least one. split_seed: which
    digits go to which part, and what the scenes look like.
    """

    task = "detection"

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
        self._counts = {"train": num_train, "val": num_val, "test": num_test}
        self._max_digits, self._split_seed = max_digits, split_seed
        self._image_size, self._resize, self._channels = parse_size(image_size), resize, channels

    def load(self, *, on_bad: OnBad) -> Data:
        refuse([], on_bad=on_bad)
        scenes = self._draw()
        stores = {part: self._store(drawn) for part, drawn in scenes.items()}
        mean, std = channel_statistics(stores["train"])
        channels, height, width = stores["train"].shape
        pictures: dict[str, Any] = {"in_channels": channels, "image_size": (height, width), "mean": mean, "std": std}
        splits = {part: self._split(part, stores[part], drawn) for part, drawn in scenes.items()}
        return Data(
            spec=self._spec(pictures | {"resize": self._resize}),
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            notes=(f"synthetic scenes, of digits that no other part has (split_seed {self._split_seed})",),
        )

    def _draw(self) -> dict[str, list[Scene]]:
        digits = load_digits()
        labels = digits.target.astype(np.int64)
        rows = hold_out(
            labels=labels,
            keys=[hashlib.sha256(image.tobytes()).hexdigest() for image in digits.images],
            fractions=_HELD_OUT,
            seed=self._split_seed,
            class_names=_CLASSES,
        )
        return {
            part: [
                draw_scene(
                    digits.images[rows[part]],
                    labels[rows[part]],
                    max_digits=self._max_digits,
                    random=generator(self._split_seed, number, scene),
                )
                for scene in range(self._counts[part])
            ]
            for number, part in enumerate(PARTS)
        }

    def _store(self, scenes: Sequence[Scene]) -> ArrayStore:
        pixels = np.stack([scene.pixels for scene in scenes])[:, None]
        return ArrayStore(pixels, image_size=self._image_size, channels=self._channels, resize=self._resize)

    def _common(self, part: str, store: ArrayStore) -> dict[str, Any]:
        """What splits of both kinds have."""
        return {
            "images": store,
            "names": [f"digit_scenes/{part}[{row}]" for row in range(len(store))],
            "sizes": np.full((len(store), 2), SIDE, dtype=np.int64),
            "resize": self._resize,
        }

    def _spec(self, pictures: dict[str, Any]) -> ObjectDetectionSpec | SemanticSegmentationSpec:
        return ObjectDetectionSpec(class_names=_CLASSES, **pictures)

    def _split(self, part: str, store: ArrayStore, scenes: Sequence[Scene]) -> DetectionSplit | MaskSplit:
        return DetectionSplit(
            **self._common(part, store),
            boxes=[scene.boxes for scene in scenes],
            labels=[scene.labels for scene in scenes],
            difficult=[np.zeros(len(scene.labels), dtype=bool) for scene in scenes],
        )


class DigitSceneMasks(DigitScenes):
    """The same scenes with a class for every pixel: background, or the digit whose ink is there."""

    task = "segmentation"

    def _spec(self, pictures: dict[str, Any]) -> SemanticSegmentationSpec:
        names = ("background", *_CLASSES)
        return SemanticSegmentationSpec(
            class_names=names, palette=distinct_palette(len(names), background=True), **pictures
        )

    def _split(self, part: str, store: ArrayStore, scenes: Sequence[Scene]) -> MaskSplit:
        return MaskSplit(**self._common(part, store), masks=ArrayMasks(np.stack([scene.mask for scene in scenes])))
