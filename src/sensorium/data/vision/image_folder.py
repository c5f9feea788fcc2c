"""A folder of images with one folder for each class."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.folders import class_files
from sensorium.data.settings import ConflictSettings
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_classes
from sensorium.data.vision.listing import ImageListing, image_root
from sensorium.vision.decode import IMAGE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class ImageFolder(ImageFileSettings, ConflictSettings):
    """`root/train/CLASS/*`, with val and test beside train where there are any; or `root/CLASS/*`. Splits that are not
    there are held out of train. Folders inside a class folder belong to it.
    """

    task = "classification"

    root: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = image_root(self.root)
        found = ImageListing(root)
        expected = (
            f"Expected: {root}/CLASS/IMAGE or {root}/train/CLASS/IMAGE. For a list of labels use dataset=image_csv."
        )
        for path, label, split in class_files(found, root, suffixes=IMAGE_SUFFIXES, expected=expected):
            found.add(path, label, split=split)
        found.need(expected)
        return image_classes(found, self, on_bad=on_bad)
