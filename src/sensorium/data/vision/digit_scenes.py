"""Scenes composed of scikit-learn's scanned digits: synthetic, nothing to download.

Train, validation and test are drawn from digits that the others do not have, each scene by numbers of its own: scene
17 of a split is the same however many there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.data.base import Data, OnBad, check_on_bad
from sensorium.data.settings import check_counts
from sensorium.data.vision.drawn import DrawnImages
from sensorium.data.vision.scanned_digits import CLASSES
from sensorium.data.vision.scenes import ArrayMasks, DetectionSplit, MaskSplit
from sensorium.data.vision.store import ArrayStore, image_fields
from sensorium.randomness import generator
from sensorium.specs import ObjectDetectionSpec, SemanticSegmentationSpec
from sensorium.synthetic.scenes import SIDE, Scene, draw_scene
from sensorium.vision.palette import distinct_palette


@dataclass(frozen=True, kw_only=True)
class DigitScenes(DrawnImages):
    """Scenes of 128 x 128 gray pixels with a box around every whole digit.

    max_digits: of a scene; it has at least one.
    """

    task = "detection"

    max_digits: int

    def check(self) -> None:
        super().check()
        check_counts(max_digits=self.max_digits)

    def load(self, *, on_bad: OnBad) -> Data:
        check_on_bad(on_bad)
        scenes = self._draw()
        stores = {split: self._store(drawn) for split, drawn in scenes.items()}
        splits: dict[str, Any] = {split: self._split(split, stores[split], drawn) for split, drawn in scenes.items()}
        return Data(
            spec=self._spec(image_fields(stores["train"], resize=self.resize)),
            **splits,
            notes=(f"synthetic scenes, of digits that no other split has (split_seed {self.split_seed})",),
        )

    def _draw(self) -> dict[str, list[Scene]]:
        return {
            split: [
                draw_scene(
                    digits.images,
                    digits.labels,
                    max_digits=self.max_digits,
                    random=generator(self.split_seed, number, scene),
                )
                for scene in range(self.counts[split])
            ]
            for number, (split, digits) in enumerate(self.scanned_digits().items())
        }

    def _store(self, scenes: Sequence[Scene]) -> ArrayStore:
        pixels = np.stack([scene.pixels for scene in scenes])[:, None]
        return ArrayStore(pixels, image_size=self.size, channels=self.channels, resize=self.resize)

    def _common(self, split: str, store: ArrayStore) -> dict[str, Any]:
        """What splits of both kinds have."""
        return {
            "images": store,
            "names": [f"digit_scenes/{split}[{row}]" for row in range(len(store))],
            "sizes": np.full((len(store), 2), SIDE, dtype=np.int64),
            "resize": self.resize,
        }

    def _spec(self, images: dict[str, Any]) -> ObjectDetectionSpec | SemanticSegmentationSpec:
        return ObjectDetectionSpec(class_names=CLASSES, **images)

    def _split(self, split: str, store: ArrayStore, scenes: Sequence[Scene]) -> DetectionSplit | MaskSplit:
        return DetectionSplit(
            **self._common(split, store),
            boxes=[scene.boxes for scene in scenes],
            labels=[scene.labels for scene in scenes],
            difficult=[np.zeros(len(scene.labels), dtype=bool) for scene in scenes],
            image_ids=list(range(len(scenes))),
            category_ids=tuple(range(1, len(CLASSES) + 1)),
        )


class DigitSceneMasks(DigitScenes):
    """The same scenes with a class for every pixel: background, or the digit whose ink is there."""

    task = "segmentation"

    def _spec(self, images: dict[str, Any]) -> SemanticSegmentationSpec:
        names = ("background", *CLASSES)
        return SemanticSegmentationSpec(
            class_names=names, palette=distinct_palette(len(names), background=True), **images
        )

    def _split(self, split: str, store: ArrayStore, scenes: Sequence[Scene]) -> MaskSplit:
        return MaskSplit(
            **self._common(split, store),
            masks=ArrayMasks(np.stack([scene.mask for scene in scenes])),
        )
