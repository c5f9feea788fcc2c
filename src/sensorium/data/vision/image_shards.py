"""Images in shards: tar archives as webdataset reads them, with a class, tags or numbers each."""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad
from sensorium.data.settings import ConflictSettings
from sensorium.data.shards.fields import CLASS_FIELDS, IMAGE_FIELDS, RECORD_FIELDS
from sensorium.data.shards.records import NumberShardSettings, numbers_in, tags_in
from sensorium.data.shards.samples import Labels, ShardSettings
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_classes, image_numbers, image_tags
from sensorium.data.vision.listing import ShardImages


@dataclass(frozen=True, kw_only=True)
class ImageShards(ShardSettings, ImageFileSettings, ConflictSettings):
    """Samples KEY.png (or another image) and KEY.cls, which holds the number of a class in classes.txt beside the
    shards; without that file, what it holds is the class.
    """

    task = "classification"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=CLASS_FIELDS)
        names = shards.names()
        found, labels = ShardImages(shards), Labels(names)
        for image, label in shards.samples(found, ("image", IMAGE_FIELDS), ("label", CLASS_FIELDS)):
            found.labeled(image, label, labels)
        found.need("Expected: samples of KEY.png (or .jpg ...) and KEY.cls in each shard.")
        return image_classes(found, self, on_bad=on_bad, class_names=names)


@dataclass(frozen=True, kw_only=True)
class ImageTaggingShards(ShardSettings, ImageFileSettings, ConflictSettings):
    """Samples KEY.png (or another image) and KEY.json, an object whose "tags" lists names. The tags there are: those in
    classes.txt beside the shards; without that file, those in train.
    """

    task = "image_tagging"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=RECORD_FIELDS)
        names = shards.names()
        found = ShardImages(shards)
        for image, record in shards.samples(found, ("image", IMAGE_FIELDS), ("tags", RECORD_FIELDS)):
            tags = tags_in(found, record, names)
            if tags is not None:
                found.take(image, tags)
        found.need('Expected: samples of KEY.png (or .jpg ...) and KEY.json, such as {"tags": ["cat", "dog"]}.')
        return image_tags(found, self, on_bad=on_bad, class_names=names)


@dataclass(frozen=True, kw_only=True)
class ImageRegressionShards(ShardSettings, ImageFileSettings, NumberShardSettings, ConflictSettings):
    """Samples KEY.png (or another image) and KEY.json, an object with numbers by name."""

    task = "regression"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=RECORD_FIELDS)
        names = self.target_names(shards)
        found = ShardImages(shards)
        for image, record in shards.samples(found, ("image", IMAGE_FIELDS), ("numbers", RECORD_FIELDS)):
            numbers = numbers_in(found, record, names)
            if numbers is not None:
                found.take(image, numbers)
        found.need('Expected: samples of KEY.png (or .jpg ...) and KEY.json, such as {"age": 41.5}.')
        return image_numbers(found, self, names, on_bad=on_bad)
