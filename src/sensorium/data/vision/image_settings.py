"""Settings of datasets of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sensorium.data.settings import HoldOut, Settings
from sensorium.data.vision.pixel_range import PixelRangeSetting, parse_range
from sensorium.errors import RequestError, unknown
from sensorium.specs import Resize

Channels = Literal["auto", 1, 3]


@dataclass(frozen=True, kw_only=True)
class ImageSettings(Settings):
    """image_size: the side of a square in pixels, or [height, width]; None lets the images decide. resize: how an image
    of another size is fitted to it. channels: 1 for gray, 3 for color, "auto" as the images are.
    """

    image_size: int | Sequence[int] | None
    resize: Resize
    channels: Channels

    def check(self) -> None:
        super().check()
        if self.resize not in get_args(Resize):
            raise unknown("resize", self.resize, get_args(Resize))
        if self.channels not in ("auto", 1, 3):
            raise unknown("number of channels", str(self.channels), ("auto", "1", "3"))
        parse_size(self.image_size)

    @property
    def size(self) -> tuple[int, int] | None:
        """image_size as (height, width)."""
        return parse_size(self.image_size)


@dataclass(frozen=True, kw_only=True)
class ImageFileSettings(ImageSettings, HoldOut):
    """cache_bytes: bytes that decoded images of all datasets together may take on disk; 0 keeps none. pixel_range: of
    images of more than 8 bits, the values [low, high] that are black and white; "auto" chooses by the training images;
    None brings them to 8 bits by the full range of their files, as every version did before it knew this key, and so it
    is the default: for checkpoints and datasets that do not know it either.
    """

    cache_bytes: int
    pixel_range: PixelRangeSetting = None

    def check(self) -> None:
        super().check()
        if isinstance(self.cache_bytes, bool) or not isinstance(self.cache_bytes, int) or self.cache_bytes < 0:
            raise RequestError(f"dataset.cache_bytes={self.cache_bytes}: give a whole number of bytes; 0 keeps none.")
        parse_range(self.pixel_range)


def parse_size(value: int | Sequence[int] | None) -> tuple[int, int] | None:
    """dataset.image_size, the side of a square or [height, width], as (height, width); None stays None."""
    if value is None:
        return None
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in pair):
        raise RequestError(f"dataset.image_size={value}: give a side in pixels such as 32, or [height,width], or null.")
    return pair
