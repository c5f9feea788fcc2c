"""What the members of a sample are, by their extensions: all that follows the first dot. No NumPy, no torch."""

from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

IMAGE_FIELDS = tuple(suffix[1:] for suffix in IMAGE_SUFFIXES)
AUDIO_FIELDS = tuple(suffix[1:] for suffix in AUDIO_SUFFIXES)
TEXT_FIELDS = ("txt", "text", "transcript")
CLASS_FIELDS = ("cls",)
MASK_FIELDS = ("mask.png", *(f"mask.{field}" for field in IMAGE_FIELDS if field != "png"))
