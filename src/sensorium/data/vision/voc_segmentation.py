"""Images and masks in the folders of Pascal VOC's segmentation challenge."""

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_masks
from sensorium.data.vision.listing import ImageListing, image_root
from sensorium.data.vision.voc_lists import images_by_stem, listed_stems, missing_image, need_folders
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
        root = image_root(self.root)
        need_folders(root, ("SegmentationClass", "JPEGImages"), "Segmentation")
        found = ImageListing(root)
        listed, found.notes = listed_stems(root, "Segmentation", root / "SegmentationClass")
        images, masks = (images_by_stem(root / name) for name in ("JPEGImages", "SegmentationClass"))
        for entry in listed:
            image, mask = images.get(entry.stem), masks.get(entry.stem)
            if image is None:
                found.problems.append(missing_image(entry, root / "JPEGImages"))
            elif mask is None:
                what = f"there is no mask {root / 'SegmentationClass' / entry.stem}.png"
                found.problems.append(Problem(entry.place, what))
            else:
                found.add(image, mask, split=entry.split)
        code = MaskCode(ignored=(), colours=None)
        return image_masks(found, self, code, on_bad=on_bad, class_names=self.class_names)
