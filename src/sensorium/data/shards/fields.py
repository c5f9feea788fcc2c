"""What the members of a sample are, by their extensions: all that follows the first dot; and what is beside the shards.

No NumPy, no torch.
"""

from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

IMAGE_FIELDS = tuple(suffix[1:] for suffix in IMAGE_SUFFIXES)
AUDIO_FIELDS = tuple(suffix[1:] for suffix in AUDIO_SUFFIXES)
TEXT_FIELDS = ("txt", "text", "transcript")
CLASS_FIELDS = ("cls",)
MASK_FIELDS = ("mask.png", *(f"mask.{field}" for field in IMAGE_FIELDS if field != "png"))
SOURCE_FIELDS, TARGET_FIELDS = ("source.txt",), ("target.txt",)
RECORD_FIELDS = ("json",)  # an object with one of the keys below, or with numbers
TAGS = "tags"  # a list of the names of tags
ANNOTATIONS = "annotations"  # a list of boxes, as COCO has them
CLASSES, TARGETS = "classes", "targets"  # .txt or .json beside the first shard: names of classes, and of numbers
