"""What the data told us: everything a model or a prediction needs to know about a dataset, without the dataset."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Resize = Literal["crop", "stretch", "pad"]


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """Labelled pictures of one size.

    image_size: (height, width) in pixels.
    resize: how a picture of another size is brought to image_size: "crop" scales the shorter side and cuts the
        middle, "pad" scales the longer side and fills with black, "stretch" ignores the aspect ratio.
    mean, std: per channel, of pixel values scaled to [0, 1], over the training split.
    """

    class_names: tuple[str, ...]
    in_channels: int
    image_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Resize = "crop"

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ImageSpec":
        """The inverse of `to_dict`; an unknown key is a TypeError."""
        arguments: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**arguments)
