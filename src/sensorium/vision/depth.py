"""Images of more than 8 bits a channel: integers of 16 or 32 bits, and floats, scaled to a range of values.

A camera's 12 bits fill a sixteenth of a 16-bit file. What is black and what is white is therefore no fact of the file
but a choice, made once from the training images and kept in the spec (decision 0034).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL.ImageFile import ImageFile

PixelRange = tuple[float, float]

FULL_RANGE: PixelRange = (0.0, 65535.0)  # of 16 bits
WHITE = 65535  # of a deep image brought to its range
_PERCENTILES = (0.1, 99.9)
# Pillow has no color of 16 bits a channel and keeps the high bytes. The same data unpacked in the other byte order
# gives the low ones. RGBA;16 of gray with transparency does not exist; read as four bytes it holds both.
_LOW_BYTES = {f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBX", "RGBA") for order, other in
              (("B", "L"), ("L", "B"), ("N", "B"))} | {"LA;16B": "RGBA"}  # fmt: skip
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601


class Extent(NamedTuple):
    """How an image uses the range it is brought to. low, high: its smallest and largest value. outside: the share of
    its values beyond the range, which are clipped.
    """

    low: float
    high: float
    outside: float


class Values(NamedTuple):
    """The numbers of a deep image. colors: (H, W) or (H, W, 3), of any dtype. opacity: (H, W) from 0 to 1, or None."""

    colors: np.ndarray
    opacity: np.ndarray | None = None


def is_deep(image: ImageFile) -> bool:
    """Whether an image, not yet decoded, has more than 8 bits a channel."""
    return image.mode[0] in "IF" or raw_mode(image) in _LOW_BYTES


def split_color(image: ImageFile) -> bool:
    """Whether a deep image, not yet decoded, has to be decoded twice: for its high bytes, and for its low ones."""
    return raw_mode(image) in _LOW_BYTES


def choose_low_bytes(image: ImageFile) -> None:
    """Makes an image, not yet decoded, decode to the low bytes of its channels."""
    raw = _LOW_BYTES[raw_mode(image)]
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
    ]


def joined_bytes(high: np.ndarray, low: np.ndarray, *, gray: bool) -> Values:
    """High and low bytes (H, W, C) as 16 bits a channel; of `gray` with transparency, `low` holds all four bytes."""
    if gray:
        whole = low[..., 0::2].astype(np.uint16) << 8 | low[..., 1::2]
        return from_channels(whole)
    return from_channels(high.astype(np.uint16) << 8 | low)


def is_gray_with_opacity(image: ImageFile) -> bool:
    """Whether a deep image, not yet decoded, is gray with transparency."""
    return raw_mode(image) == "LA;16B"


def from_channels(pixels: np.ndarray) -> Values:
    """(H, W, C) 16-bit numbers, C from 1 to 4; the second of 2 and the fourth of 4 are opacity."""
    count = pixels.shape[2]
    opacity = pixels[..., -1] / FULL_RANGE[1] if count in (2, 4) else None
    return Values(pixels[..., 0] if count <= 2 else pixels[..., :3], opacity)


def check_finite(colors: np.ndarray) -> None:
    """Raises ValueError for numbers among which are NaN or infinite ones."""
    if colors.dtype.kind == "f" and not np.isfinite(colors).all():
        raise ValueError(f"NaN or infinite in {(~np.isfinite(colors)).sum():,} of {colors.size:,} values")


def extent(colors: np.ndarray, pixel_range: PixelRange) -> Extent:
    """How these values use the range."""
    low, high = pixel_range
    outside = np.count_nonzero((colors < low) | (colors > high)) / colors.size
    return Extent(float(colors.min()), float(colors.max()), outside)


def ranged(values: Values, pixel_range: PixelRange) -> np.ndarray:
    """The image as (C, H, W) float32, from 0 at the low end of the range and below to WHITE at its high end and above.
    C is 1 or 3. Transparent parts are white, as those of every image.
    """
    low, high = pixel_range
    # In float64: 32-bit integers and small differences of large floats do not fit float32.
    found = (np.clip(values.colors.astype(np.float64), low, high) - low) * (WHITE / (high - low))
    if values.opacity is not None:
        cover = values.opacity if found.ndim == 2 else values.opacity[..., None]
        found = found * cover + WHITE * (1 - cover)
    return (found[None] if found.ndim == 2 else found.transpose(2, 0, 1)).astype(np.float32)


def luma(pixels: np.ndarray) -> np.ndarray:
    """(3, H, W) colors -> (1, H, W) gray, float32."""
    gray: np.ndarray = np.tensordot(_LUMA, pixels, axes=1)[None].astype(np.float32)
    return gray


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """uint16 as uint8, 257 steps to one, for what is displayed; uint8 as it is."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels / 257).astype(np.uint8)


def high_bytes(pixels: np.ndarray) -> np.ndarray:
    """uint16 colors as uint8, as Pillow reads them from a file: without the low bytes."""
    return (pixels >> 8).astype(np.uint8)


def chosen_range(samples: Sequence[np.ndarray]) -> PixelRange:
    """A range for images with these values, (N,) of each: all of them, unless few lie far from the others.

    A value may lie as far beyond the 0.1 and 99.9 percentiles as these are apart. A hot pixel of 65,535 among 12 bits
    thus costs one bit and not four, while small bright objects, fewer than one pixel in a thousand, keep their
    differences, which a cut at the percentiles would take from them.
    """
    values = np.concatenate(samples)
    low, high = float(values.min()), float(values.max())
    first, last = np.percentile(values, _PERCENTILES).tolist()
    if (reach := last - first) > 0:
        low, high = max(low, first - reach), min(high, last + reach)
    # Of large floats the next one is more than 1 away.
    return (low, high) if high > low else (low, max(low + 1, math.nextafter(low, math.inf)))


def raw_mode(image: ImageFile) -> str:
    """How the first part of an image is stored, as Pillow's decoders name it; "" once it is decoded."""
    arguments = image.tile[0].args if image.tile else ""
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""
