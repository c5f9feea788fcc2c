"""From an image file of any common format to unsigned bytes of one size.

Training, evaluation and prediction all read images here, so that they see the same pixels.
"""

import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, get_args

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from sensorium.errors import RequestError, unknown
from sensorium.files import not_a_file, opened_once, walk
from sensorium.specs import Resize
from sensorium.suffixes import IMAGE_SUFFIXES
from sensorium.vision import depth
from sensorium.vision.depth import Extent, PixelRange, Values

# Only these are tried, whatever the file is called: other readers of Pillow start other programs (EPS).
# Their modules are imported here, because Pillow would import them at the first image, in many threads at once.
_READERS = (
    JpegImagePlugin.JpegImageFile,  # also MPO, which many phones write as .jpg
    PngImagePlugin.PngImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
    PpmImagePlugin.PpmImageFile,
)
_FORMATS = tuple(reader.format for reader in _READERS)

# What Pillow raises for a damaged file: each of its readers has its own way to fail.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

Source = Path | BinaryIO


def accept_large_images() -> None:
    """Pillow's warning of an attack, half as many pixels before its error, is not for the person's own large images."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


accept_large_images()


class UnreadableImage(RequestError):
    """A file that is not an image, or a damaged one. `what` is the message without the file's name. too_large: whether
    it was refused for its size alone.
    """

    def __init__(self, name: str, reason: str, *, too_large: bool = False) -> None:
        self.too_large = too_large
        self.what = f"not a readable image ({reason})"
        super().__init__(f"{name}: {self.what}")


def decode_image(
    source: Source,
    *,
    image_size: tuple[int, int],
    in_channels: int,
    resize: Resize,
    pixel_range: PixelRange | None = None,
) -> np.ndarray:
    """The image as (C, H, W) uint8, with (H, W) = image_size and C = in_channels (1 or 3).

    The rotation that a camera noted (EXIF) is applied. Transparent parts become white, the page that such drawings,
    logos and scans are made for; on black, black lines would vanish. 16-bit gray is scaled from 0..65535 to 0..255,
    a float TIFF from 0..1 (or, when a value is above 1, taken as 0..255). Of an animation, the first frame counts.
    Shrinking and enlarging are bilinear and antialiased.

    pixel_range: for images of more than 8 bits the values that become black and white; the image is uint16 then, from 0
    to 65535, clipped at both ends. One of 8 bits keeps its own range, 0 to 255.

    Raises UnreadableImage for a missing, empty, damaged or too large file, or one that is no image.
    """
    return measured_image(
        source, image_size=image_size, in_channels=in_channels, resize=resize, pixel_range=pixel_range
    )[0]


def measured_image(
    source: Source, *, image_size: tuple[int, int], in_channels: int, resize: Resize, pixel_range: PixelRange | None
) -> tuple[np.ndarray, Extent | None]:
    """`decode_image`, and how an image of more than 8 bits uses its range; None for one of 8 bits, and for a float TIFF
    without a range, which has no full one.
    """
    shape: dict[str, Any] = {"image_size": image_size, "in_channels": in_channels, "resize": resize}
    with opened(source) as image:
        if pixel_range is not None and depth.is_deep(image):
            return fit_values(_values(image, source), **shape, pixel_range=pixel_range)
        integers = depth.is_deep(image) and image.mode != "F"
        # A JPEG decoder shrinks by 2, 4 or 8 for next to nothing; twice the wanted size is left to the good filter.
        image.draft(None, (2 * max(image_size), 2 * max(image_size)))
        ImageOps.exif_transpose(image, in_place=True)
        found = _full_extent(image) if integers and pixel_range is None else None
        fitted = fit_image(_eight_bit(image), image_size=image_size, resize=resize)
        pixels = to_array(fitted, in_channels=in_channels)
        return (pixels if pixel_range is None else pixels.astype(np.uint16) * 257), found


def displayed_image(path: Path, *, image_size: tuple[int, int], pixel_range: PixelRange | None) -> np.ndarray:
    """The image as displayed, in the range that a model sees it in: (3, H, W) uint8."""
    pixels = decode_image(path, image_size=image_size, in_channels=3, resize="stretch", pixel_range=pixel_range)
    return depth.eight_bits(pixels)


def read_values(source: Source) -> np.ndarray | None:
    """The numbers of an image of more than 8 bits as they are stored, (H, W) or (H, W, 3); None for one of 8 bits."""
    with opened(source) as image:
        return _values(image, source).colors if depth.is_deep(image) else None


def probe_size(source: Source) -> tuple[int, int]:
    """(height, width) as shown, that is after the EXIF rotation. Only the head of the file is read; of a PNG without
    EXIF there everything, as it may follow the pixels.
    """
    with opened(source) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        # A TIFF reports its size as shown already.
        if turned and image.format != "TIFF":
            return image.width, image.height
        return image.height, image.width


def stored_size(source: Source) -> tuple[int, int]:
    """(height, width) before the EXIF rotation, from the head of the file alone, whatever its format."""
    with opened(source) as image:
        return image.height, image.width


def is_turned(source: Source) -> bool:
    """Whether the EXIF rotation exchanges height and width."""
    with opened(source) as image:
        return image.getexif().get(ExifTags.Base.Orientation, 1) >= 5


def is_grey(source: Source) -> bool:
    """Whether the image holds no color, however it is stored."""
    values = read_values(source)
    if values is not None:
        return values.ndim == 2 or bool((values == values[..., :1]).all())
    red, green, blue = decode_image(source, image_size=(64, 64), in_channels=3, resize="stretch")
    return np.array_equal(red, green) and np.array_equal(red, blue)


def fit_image(image: Image.Image, *, image_size: tuple[int, int], resize: Resize) -> Image.Image:
    """The image brought to (height, width); `ImageClassificationSpec` says what the three ways mean."""
    height, width = image_size
    if resize not in _FITTINGS:
        raise unknown("resize", resize, get_args(Resize))
    if image.size == (width, height):
        return image
    return _FITTINGS[resize](image, width, height)


def fit_pixels(pixels: np.ndarray, *, image_size: tuple[int, int], in_channels: int, resize: Resize) -> np.ndarray:
    """`decode_image` for pixels that need no decoding: (C, H, W) uint8, C 1 or 3, to in_channels and image_size."""
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    return to_array(fit_image(image, image_size=image_size, resize=resize), in_channels=in_channels)


def fit_values(
    values: Values, *, image_size: tuple[int, int], in_channels: int, resize: Resize, pixel_range: PixelRange
) -> tuple[np.ndarray, Extent]:
    """`decode_image` for numbers of more than 8 bits: (C, H, W) uint16, and how they use the range.

    Raises ValueError for NaN and infinite ones.
    """
    depth.check_finite(values.colors)
    pixels = depth.ranged(values, pixel_range)
    if in_channels == 1 and len(pixels) == 3:
        pixels = depth.luma(pixels)
    planes = [np.asarray(fit_image(Image.fromarray(p), image_size=image_size, resize=resize)) for p in pixels]
    fitted = np.rint(planes).clip(0, depth.WHITE).astype(np.uint16)
    wanted = np.ascontiguousarray(np.broadcast_to(fitted, (in_channels, *image_size)))
    return wanted, depth.extent(values.colors, pixel_range)


def to_array(image: Image.Image, *, in_channels: int) -> np.ndarray:
    """(C, H, W) uint8, contiguous. Color becomes gray by its luma (ITU-R 601), gray becomes three equal channels."""
    if in_channels == 1:
        return np.array(image.convert("L"))[None]
    return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))


def list_images(folder: Path) -> list[Path]:
    """Every image file in a folder and its sub-folders, sorted by name.

    Told by suffix, in upper or lower case. Hidden files and folders, and what file browsers leave behind, are ignored.
    """
    return [path for path in walk(folder)[0] if path.suffix.lower() in IMAGE_SUFFIXES]


def read_bytes(path: Source) -> bytes:
    """The content of an image file, not yet decoded. Raises UnreadableImage when there is no such file."""
    if not isinstance(path, Path):
        return path.read()
    if wrong := not_a_file(path, pipe=True):
        raise UnreadableImage(str(path), f"it is {wrong}")
    try:
        with opened_once(path) as file:
            return file.read()
    except OSError as error:
        raise UnreadableImage(str(path), (error.strerror or str(error)).lower()) from error
    except ValueError as error:  # a path with a character that no path has
        raise UnreadableImage(str(path), str(error)) from error


def source_name(source: Source) -> str:
    """How messages call it."""
    return str(source) if isinstance(source, Path) else str(getattr(source, "name", "image"))


@contextmanager
def opened(source: Source) -> Iterator[ImageFile.ImageFile]:
    """The image, not yet decoded. Whatever goes wrong with it inside is an UnreadableImage that names the file."""
    name = source_name(source)
    data = BytesIO(read_bytes(source)) if isinstance(source, Path) else source
    try:
        with Image.open(data, formats=_FORMATS) as image:
            yield image
    except _DAMAGE as error:
        too_large = isinstance(error, Image.DecompressionBombError)
        raise UnreadableImage(name, _reason(error, data), too_large=too_large) from error


def _reason(error: Exception, data: BinaryIO) -> str:
    if isinstance(error, UnidentifiedImageError):
        empty = data.seek(0, os.SEEK_END) == 0
        return "the file is empty" if empty else f"its content is none of {', '.join(_FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    return (str(error).splitlines() or [type(error).__name__])[0][:100]


def _values(image: ImageFile.ImageFile, source: Source) -> Values:
    """The numbers of an image of more than 8 bits, not yet decoded, turned as the camera noted."""
    twice, gray = depth.split_color(image), depth.is_gray_with_opacity(image)
    ImageOps.exif_transpose(image, in_place=True)
    pixels = _numbers(image)
    if not twice:
        depth.check_finite(pixels)
        return Values(pixels)
    with opened(source) as again:
        depth.choose_low_bytes(again)
        ImageOps.exif_transpose(again, in_place=True)
        return depth.joined_bytes(pixels, np.asarray(again), gray=gray)


def _numbers(image: Image.Image) -> np.ndarray:
    """The values of an image, 0 for black. Pillow turns a TIFF in which 0 is white around, but not one of 16 bits."""
    pixels = np.asarray(image)
    of_tiff = getattr(image, "tag_v2", {})
    zero_is_white = of_tiff.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    return depth.WHITE - pixels if zero_is_white and image.mode.startswith("I;16") else pixels


def _full_extent(image: Image.Image) -> Extent:
    """Of integers that are taken by the full range of 16 bits; of color, whose high bytes are all that is left."""
    colors = _numbers(image) if image.mode[0] == "I" else np.asarray(image.convert("RGB")) * np.uint16(257)
    return depth.extent(colors, depth.FULL_RANGE)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Any mode of Pillow to L or RGB."""
    if image.mode.startswith("I"):
        return _from_numbers(_numbers(image), 65535)
    if image.mode == "F":
        numbers = np.asarray(image)
        return _from_numbers(numbers, 1 if numbers.max() <= 1 else 255)
    if image.has_transparency_data:
        page = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(page, image.convert("RGBA"))
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _from_numbers(numbers: np.ndarray, top: int) -> Image.Image:
    """(H, W) numbers from 0 to top as gray from 0 to 255."""
    low, high = numbers.min(), numbers.max()
    if not (low >= 0 and high <= top):  # written so that NaN is rejected too
        raise ValueError(f"its values run from {low:g} to {high:g}; 0 to {top} is expected of mode {numbers.dtype}")
    return Image.fromarray(np.rint(numbers * (255 / top)).astype(np.uint8))


def _stretch(image: Image.Image, width: int, height: int) -> Image.Image:
    return image.resize((width, height), Image.Resampling.BILINEAR)


def _crop(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = max(width / image.width, height / image.height)
    # The middle that will be kept, in pixels of the source; rounding must not reach beyond the edge.
    left = max(0.0, (image.width - width / scale) / 2)
    top = max(0.0, (image.height - height / scale) / 2)
    box = (left, top, image.width - left, image.height - top)
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box)


def _pad(image: Image.Image, width: int, height: int) -> Image.Image:
    scale = min(width / image.width, height / image.height)
    small = _stretch(image, max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return canvas


_FITTINGS: dict[str, Callable[[Image.Image, int, int], Image.Image]] = {
    "crop": _crop,
    "stretch": _stretch,
    "pad": _pad,
}
