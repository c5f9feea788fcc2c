"""Images and masks in the folders of Pascal VOC's segmentation challenge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_masks
from sensorium.data.vision.voc_lists import images_by_stem, voc_listing
from sensorium.vision.masks import MaskCode


@dataclass(frozen=True, kw_only=True)
class VocSegmentation(ImageFileSettings):
    """`root/JPEGImages/*`, `root/SegmentationClass/*.png` (palette numbers, 255 for the void along the edges) and
    `root/ImageSets/Segmentation/{train,val,test}.txt`.

    class_names: of the numbers from 0 on; None takes the numbers found in train.
    """

    task = "segmentation"

    root: str | None
    class_names: Sequence[str] | None

    def load(self, *, on_bad: OnBad) -> Data:
        found, listed = voc_listing(self.root, "SegmentationClass", "Segmentation")
        folder = Path(found.source) / "SegmentationClass"
        masks = images_by_stem(found, folder)
        for entry, image in listed:
            if entry.stem in masks:
                found.add(image, masks[entry.stem], split=entry.split)
            else:
                found.problems.append(Problem(entry.place, f"there is no mask {folder / entry.stem}.png"))
        code = MaskCode(ignored=(), colours=None)
        return image_masks(found, self, code, on_bad=on_bad, class_names=self.class_names)
