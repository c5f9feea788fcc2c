"""Images with bounding boxes in shards: tar archives as webdataset reads them, an image and its boxes a sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.shards.fields import ANNOTATIONS, IMAGE_FIELDS, RECORD_FIELDS
from sensorium.data.shards.records import record_in
from sensorium.data.shards.samples import ShardSettings
from sensorium.data.vision.box_targets import Annotation, Box
from sensorium.data.vision.coco_boxes import box_of, size_of
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_boxes
from sensorium.data.vision.listing import ShardImages

_SUCH_AS = f'{{"{ANNOTATIONS}": [{{"bbox": [x, y, width, height], "category": "cat"}}]}}'


@dataclass(frozen=True, kw_only=True)
class DetectionShards(ShardSettings, ImageFileSettings):
    """Samples KEY.png (or another image) and KEY.json, an object whose "annotations" are boxes as COCO has them, with
    the name of the class as "category"; "width" and "height" of the image need not be there. The classes: those in
    classes.txt beside the shards; without that file, those in train.
    """

    task = "detection"

    def load(self, *, on_bad: OnBad) -> Data:
        shards = self.shards(keep=RECORD_FIELDS)
        found = ShardImages(shards)
        for image, member in shards.samples(found, ("image", IMAGE_FIELDS), ("annotations", RECORD_FIELDS)):
            record = record_in(found, member)
            if record is None:
                continue
            if isinstance(record.get(ANNOTATIONS), list):
                found.take(image, _annotation(record, shards.index.name(member)))
            else:
                found.refuse(member, f"no list {ANNOTATIONS!r}; needed is {_SUCH_AS}")
        found.need(f"Expected: samples of KEY.png (or .jpg ...) and KEY.json, such as {_SUCH_AS}.")
        return image_boxes(found, self, on_bad=on_bad, class_names=shards.names())


def _annotation(record: Mapping[str, Any], place: str) -> Annotation:
    """What a record says of its image. place: of the record."""
    found = Annotation(size=size_of(record), size_place=place)
    for number, entry in enumerate(record[ANNOTATIONS]):
        found.add(_box(entry, f"{place}: annotation number {number}"))
    return found


def _box(entry: Any, place: str) -> Box | Problem:
    if not isinstance(entry, dict):
        return Problem(place, f"{type(entry).__name__} where an object is needed")
    label = entry.get("category")
    if not isinstance(label, str) or not label.strip():
        return Problem(place, f"category is {label!r:.40}; the name of a class is needed")
    try:
        return box_of(entry, place, label)
    except ValueError as error:
        return Problem(place, str(error))
