"""Images and masks in shards: tar archives as webdataset reads them, an image and a mask a sample."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.shards.fields import IMAGE_FIELDS, MASK_FIELDS
from sensorium.data.shards.samples import ShardSettings
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_masks
from sensorium.data.vision.listing import ShardImages
from sensorium.data.vision.mask_settings import MaskSettings
from sensorium.data.vision.mask_targets import lossy


@dataclass(frozen=True, kw_only=True)
class SegmentationShards(ShardSettings, ImageFileSettings, MaskSettings):
    """Samples KEY.png (or another image) and KEY.mask.png, whose pixels are the numbers of classes in classes.txt
    beside the shards, or colors.
    """

    task = "segmentation"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=())
        found = ShardImages(shards)
        for image, mask in shards.samples(found, ("image", IMAGE_FIELDS), ("mask", MASK_FIELDS)):
            name = shards.index.name(mask)
            if wrong := lossy(name[name.rindex(".") :]):
                found.refuse(mask, wrong)
            else:
                found.take(image, mask)
        found.need("Expected: samples of KEY.png (or .jpg ...) and KEY.mask.png in each shard.")
        names = self.class_names or shards.names()
        return image_masks(found, self, self.mask_code(), on_bad=on_bad, class_names=names)
