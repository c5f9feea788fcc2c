"""Pictures and masks in the folders of Pascal VOC's segmentation challenge."""

from collections.abc import Sequence

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.scene_files import PictureFile, SceneSettings
from sensorium.data.vision.segmentation_files import MaskedPicture, MaskList, make_segmentation
from sensorium.data.vision.store import Channels
from sensorium.data.vision.voc_lists import listed_stems, missing_picture, need_folders, pictures_by_stem
from sensorium.specs import Resize
from sensorium.vision.masks import MaskCode


class VocSegmentation:
    """`root/JPEGImages/*`, `root/SegmentationClass/*.png` (palette numbers, 255 for the void along the edges) and
    `root/ImageSets/Segmentation/{train,val,test}.txt`.

    class_names: of the numbers from 0 on; None takes the numbers found in train.
    """

    task = "segmentation"

    def __init__(
        self,
        *,
        root: str | None,
        class_names: Sequence[str] | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._root, self._class_names = root, class_names
        self._settings = SceneSettings(
            image_size=image_size,
            resize=resize,
            channels=channels,
            cache_bytes=cache_bytes,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing_image_source("root", self._root, folder=True)
        need_folders(root, ("SegmentationClass", "JPEGImages"), "Segmentation")
        found = MaskList(root, class_names=self._class_names)
        listed, found.notes = listed_stems(root, "Segmentation", root / "SegmentationClass")
        pictures, masks = (pictures_by_stem(root / name) for name in ("JPEGImages", "SegmentationClass"))
        for entry in listed:
            picture, mask = pictures.get(entry.stem), masks.get(entry.stem)
            if picture is None:
                found.problems.append(missing_picture(entry, root / "JPEGImages"))
            elif mask is None:
                what = f"there is no mask {root / 'SegmentationClass' / entry.stem}.png"
                found.problems.append(Problem(entry.place, what))
            else:
                found.pictures.append(MaskedPicture(PictureFile(picture, entry.part, str(picture)), mask))
        return make_segmentation(found, self._settings, MaskCode(ignored=(), colours=None), on_bad=on_bad)
