"""Images: with a class each, with boxes, or with a class for every pixel."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sensorium.specs.base import AnySpec, ClassesSpec, LogitsSpec

Resize = Literal["crop", "stretch", "pad"]


@dataclass(frozen=True, kw_only=True)
class ImageInputSpec(AnySpec):
    """Images of one size, whatever a model answers.

    image_size: (height, width) in pixels.
    resize: how an image of another size is brought to image_size: "crop" scales the shorter side and cuts the
        middle, "pad" scales the longer side and fills with black, "stretch" ignores the aspect ratio.
    mean, std: per channel, of pixel values scaled to [0, 1], over the training split.
    pixel_range: of images of more than 8 bits, the values that are scaled to 0 and 1, in the units of their files;
        values beyond are clipped, and images of 8 bits keep their own range. None for data of 8 bits: other images are
        taken by the full range of their files, and brought to 8 bits.
    """

    unit = "image"
    inputs = ("images",)

    in_channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize = "crop"
    pixel_range: tuple[float, float] | None = None

    @property
    def dataset_settings(self) -> dict[str, Any]:
        pixel_range = None if self.pixel_range is None else list(self.pixel_range)
        size = list(self.image_size)
        return {"image_size": size, "channels": self.in_channels, "resize": self.resize, "pixel_range": pixel_range}

    def to_dict(self) -> dict[str, Any]:
        """Without a range, as versions that knew none wrote it: they read it still."""
        values = super().to_dict()
        return values if self.pixel_range is not None else {k: v for k, v in values.items() if k != "pixel_range"}

    def example(self, length: int = 0) -> tuple[Tensor, ...]:
        """One black image."""
        return (torch.zeros(1, self.in_channels, *self.image_size),)

    def example_size(self, length: int) -> str:
        return "x".join(str(size) for size in (self.in_channels, *self.image_size))

    def __str__(self) -> str:
        height, width = self.image_size
        return f"images of {height}x{width} with {self.in_channels} channel{'' if self.in_channels == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class ImageClassesSpec(ClassesSpec, ImageInputSpec):
    """Images of which a model says something in terms of classes."""

    @property
    def offers(self) -> dict[str, Any]:
        return {"in_channels": self.in_channels, "num_classes": self.num_classes, "image_size": self.image_size}

    def __str__(self) -> str:
        return f"{super().__str__()}, {self.num_classes} class{'' if self.num_classes == 1 else 'es'}"


@dataclass(frozen=True, kw_only=True)
class ImageClassificationSpec(ImageClassesSpec, LogitsSpec):
    """Images with a class each."""

    task = "image_classification"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)


@dataclass(frozen=True, kw_only=True)
class ImageTaggingSpec(ImageClassesSpec, LogitsSpec):
    """Images with any number of tags each, or none. class_names: the tags."""

    task = "image_tagging"

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes)

    def __str__(self) -> str:
        return f"{ImageInputSpec.__str__(self)}, {self.num_classes} tag{'' if self.num_classes == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class ObjectDetectionSpec(ImageClassesSpec):
    """Images with bounding boxes of objects of these classes. Class numbers begin at 0, without background."""

    task = "object_detection"

    def fault(self, found: Any) -> str | None:
        """Wanted for `example`: a list of one dict of boxes (N, 4), labels (N,) and scores (N,)."""
        fits = isinstance(found, list) and len(found) == 1 and {"boxes", "labels", "scores"} <= set(found[0])
        return None if fits else "gives no list of boxes, labels and scores"

    def __str__(self) -> str:
        return super().__str__().replace(", ", " and bounding boxes, ")


@dataclass(frozen=True, kw_only=True)
class SemanticSegmentationSpec(ImageClassesSpec, LogitsSpec):
    """Images with a class for every pixel.

    palette: red, green and blue from 0 to 255 for each class in turn, 3K numbers; what masks and overlays are drawn in.
    """

    task = "semantic_segmentation"

    palette: tuple[int, ...]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`."""
        return (1, self.num_classes, *self.image_size)

    def __str__(self) -> str:
        return super().__str__().replace(", ", " and masks, ")
