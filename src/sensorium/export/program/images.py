"""Images: decoded, turned, made gray or RGB, resized."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.export.program.start import WHITE, Unreadable

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
# Pillow has no color of 16 bits: it gives the high bytes, and in the other byte order the low ones; of LA;16B, both.
LOW_BYTES = {f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBX", "RGBA")
             for order, other in (("B", "L"), ("L", "B"), ("N", "B"))} | {"LA;16B": "RGBA"}  # fmt: skip
DAMAGE = (OSError, ValueError, SyntaxError, TypeError, LookupError, ArithmeticError, EOFError, struct.error, zlib.error)


def read_image(path: str | Path, spec: dict[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    """The file's pixels (C, H, W), uint8 or float32 as the model takes them, and (height, width) as displayed."""
    from PIL import Image, UnidentifiedImageError

    data = b""
    try:
        data = Path(path).read_bytes()
        return decoded(data, spec)
    except UnidentifiedImageError:
        reason = f"its content is none of {', '.join(FORMATS)}" if data else "the file is empty"
    except Image.DecompressionBombError:
        reason = f"more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
    except DAMAGE as error:
        if strerror := getattr(error, "strerror", None):
            reason = strerror.lower()
        else:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
    raise Unreadable(f"{path}: not a readable image ({reason})")


def decoded(data: bytes, spec: dict[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    """As `read_image`, of the content of a file."""
    from PIL import Image, ImageOps

    channels, (height, width), limits = spec["in_channels"], spec["image_size"], spec.get("pixel_range")
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        raw = raw_mode(image)  # known only until the pixels are decoded
        turned = image.getexif().get(0x0112, 1) >= 5 and image.format != "TIFF"
        size = (image.width, image.height) if turned else (image.height, image.width)
        if limits is not None and (image.mode[0] in "IF" or raw in LOW_BYTES):
            planes = in_range(*deep_values(image, data, raw), limits)
            if channels == 1 and len(planes) == 3:
                planes = np.tensordot((0.299, 0.587, 0.114), planes, axes=1)[None].astype(np.float32)
            fitted = [np.asarray(fit(Image.fromarray(plane), height, width, spec["resize"])) for plane in planes]
            pixels = np.rint(fitted).clip(0, WHITE).astype(np.float32) / WHITE
            return np.broadcast_to(pixels, (channels, height, width)), size
        image.draft(None, (2 * max(height, width), 2 * max(height, width)))
        ImageOps.exif_transpose(image, in_place=True)
        fitted = fit(eight_bit(image), height, width, spec["resize"])
        wanted = np.asarray(fitted.convert("L"))[None] if channels == 1 else np.asarray(fitted.convert("RGB"))
        pixels = wanted if channels == 1 else wanted.transpose(2, 0, 1)
        return (pixels if limits is None else pixels.astype(np.float32) / 255), size


def raw_mode(image: Any) -> str:
    """How the file stores the image, in the names of Pillow's decoders."""
    arguments = image.tile[0].args if image.tile else ""
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""


def numbers(image: Any) -> np.ndarray:
    """Values of more than 8 bits, 0 for black: Pillow leaves a 16-bit TIFF as it is in which 0 is white."""
    values = np.asarray(image)
    return WHITE - values if getattr(image, "tag_v2", {}).get(262) == 0 and image.mode.startswith("I;16") else values


def eight_bit(image: Any) -> Any:
    """An image of any mode as L or RGB: 16-bit gray scaled, what is transparent white."""
    from PIL import Image

    if image.mode[0] in "IF":
        values = numbers(image)
        top = 65535 if image.mode[0] == "I" else 1 if values.max() <= 1 else 255
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= top):
            kind = values.dtype
            raise ValueError(f"its values run from {low:g} to {high:g}; 0 to {top} is expected of mode {kind}")
        return Image.fromarray(np.rint(values * (255 / top)).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def deep_values(image: Any, data: bytes, raw: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Values of more than 8 bits, (H, W) or (H, W, 3), and opacity (H, W) from 0 to 1 or None."""
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    if raw not in LOW_BYTES:
        values = numbers(image)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(f"NaN or infinite in {(~np.isfinite(values)).sum():,} of {values.size:,} values")
        return values, None
    with Image.open(BytesIO(data), formats=FORMATS) as again:
        again.tile = [tile._replace(args=(LOW_BYTES[raw], *tile.args[1:]) if isinstance(tile.args, tuple)
                                    else LOW_BYTES[raw]) for tile in again.tile]  # fmt: skip
        ImageOps.exif_transpose(again, in_place=True)
        low, high = np.asarray(again), np.asarray(image).astype(np.uint16)
    whole = low[..., 0::2].astype(np.uint16) << 8 | low[..., 1::2] if raw == "LA;16B" else high << 8 | low
    opacity = whole[..., -1] / WHITE if whole.shape[2] in (2, 4) else None
    return (whole[..., 0] if whole.shape[2] <= 2 else whole[..., :3]), opacity


def in_range(values: np.ndarray, opacity: np.ndarray | None, limits: list[float]) -> np.ndarray:
    """Values -> (1 or 3, H, W) float32 from 0 to WHITE; what is transparent becomes white."""
    low, high = limits
    found = (np.clip(values.astype(np.float64), low, high) - low) * (WHITE / (high - low))
    if opacity is not None:
        cover = opacity if found.ndim == 2 else opacity[..., None]
        found = found * cover + WHITE * (1 - cover)
    return (found[None] if found.ndim == 2 else found.transpose(2, 0, 1)).astype(np.float32)


def windows(height: int, width: int, new_height: int, new_width: int, resize: str) -> tuple[Any, Any]:
    """What is kept of an image, and where it lies in the resized one: left, top, width and height each."""
    source: tuple[float, ...] = (0, 0, width, height)
    target: tuple[int, ...] = (0, 0, new_width, new_height)
    if resize == "crop":
        scale = max(new_width / width, new_height / height)
        left, top = max(0.0, (width - new_width / scale) / 2), max(0.0, (height - new_height / scale) / 2)
        source = (left, top, width - 2 * left, height - 2 * top)
    elif resize == "pad":
        scale = min(new_width / width, new_height / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        target = ((new_width - inner[0]) // 2, (new_height - inner[1]) // 2, *inner)
    return source, target


def fit(image: Any, height: int, width: int, resize: str) -> Any:
    """The image at the model's size, as in training."""
    from PIL import Image

    if image.size == (width, height):
        return image
    (left, top, *_), (x, y, *inner) = windows(image.height, image.width, height, width, resize)
    box = (left, top, image.width - left, image.height - top) if resize == "crop" else None
    small = image.resize(tuple(inner), Image.Resampling.BILINEAR, box=box)
    if resize != "pad":
        return small
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(small, (x, y))
    return canvas
