"""Images in shards: tar archives as webdataset reads them, an image and a class a sample."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings
from sensorium.data.shards.fields import CLASS_FIELDS, IMAGE_FIELDS
from sensorium.data.shards.samples import Labels, ShardSettings
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_classes
from sensorium.data.vision.listing import ShardImages


@dataclass(frozen=True, kw_only=True)
class ImageShards(ShardSettings, ImageFileSettings, ConflictSettings):
    """Samples KEY.png (or another image) and KEY.cls, which holds the number of a class in classes.txt beside the
    shards; without that file, what it holds is the class.
    """

    task = "classification"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=CLASS_FIELDS)
        names = shards.class_names()
        found, labels = ShardImages(shards), Labels(names)
        for image, label in shards.samples(found, ("image", IMAGE_FIELDS), ("label", CLASS_FIELDS)):
            found.labeled(image, label, labels)
        found.need("Expected: samples of KEY.png (or .jpg ...) and KEY.cls in each shard.")
        return image_classes(found, self, on_bad=on_bad, class_names=names)
