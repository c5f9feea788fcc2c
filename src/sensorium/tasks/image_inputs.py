"""Raw images, read a batch at a time, prepared as in training: files, bytes, arrays, PIL images and tensors."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sensorium.specs import ImageInputSpec
from sensorium.vision.decode import UnreadableImage, decode_image, probe_size, read_bytes

# str and Path: a file. bytes: its content. np.ndarray: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8, or float
# from 0 to 1. Tensor: (C, H, W) of the same, C 1 or 3.
RawImage = str | Path | bytes | np.ndarray | Image.Image | Tensor
TENSOR_DTYPES = (torch.uint8, torch.float16, torch.float32, torch.float64)  # bfloat16 has no NumPy form


class DecodedImage(NamedTuple):
    """An image prepared as in training. pixels: (C, H, W) uint8. size: (height, width) it had before."""

    pixels: np.ndarray
    size: tuple[int, int]


def read_batches(
    images: Iterable[RawImage], spec: ImageInputSpec, *, batch_size: int
) -> Iterator[list[tuple[str, DecodedImage | UnreadableImage]]]:
    """batch_size images at a time, each behind its name, or with why it cannot be read: memory stays flat."""
    remaining = enumerate(images)
    while batch := list(islice(remaining, batch_size)):
        named = [(str(raw) if isinstance(raw, str | Path) else f"image {number}", raw) for number, raw in batch]
        yield [(name, _read(name, raw, spec)) for name, raw in named]


def stacked(read: list[tuple[str, DecodedImage | UnreadableImage]]) -> tuple[Tensor, list[tuple[int, int]]] | None:
    """The images (B, C, H, W) among them, and their original sizes; None where there are none."""
    good = [one for _, one in read if isinstance(one, DecodedImage)]
    return (torch.from_numpy(np.stack([one.pixels for one in good])), [one.size for one in good]) if good else None


def _read(name: str, raw: RawImage, spec: ImageInputSpec) -> DecodedImage | UnreadableImage:
    try:
        file = BytesIO(_encoded(name, raw))  # once, for its head and for the rest
        file.name = name
        size = probe_size(file)
        pixels = decode_image(file, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize)
    except UnreadableImage as error:
        return error
    return DecodedImage(pixels, size)


def _encoded(name: str, raw: RawImage) -> bytes:
    """The content of an image file. What is in memory is encoded without loss, so that all images take one way."""
    if isinstance(raw, str | Path):
        return read_bytes(Path(raw))
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    image = raw if isinstance(raw, Image.Image) else _from_array(name, raw)
    file = BytesIO()
    try:
        image.save(
            file, format="tiff" if image.mode == "F" else "png", **({} if image.mode == "F" else {"compress_level": 1})
        )
    except (OSError, ValueError) as error:
        raise UnreadableImage(name, f"PIL mode {image.mode} cannot be read") from error
    return file.getvalue()


def _from_array(name: str, raw: np.ndarray | Tensor) -> Image.Image:
    if isinstance(raw, Tensor):
        wanted = "a tensor is (C, H, W) with C 1 or 3, uint8 or float from 0 to 1"
        if raw.dtype not in TENSOR_DTYPES or raw.layout != torch.strided or raw.device.type == "meta":
            raise UnreadableImage(name, f"{raw.dtype} of shape {tuple(raw.shape)}, while {wanted}")
        raw = raw.detach().cpu().numpy()
        array = raw.transpose(1, 2, 0) if raw.ndim == 3 else raw
    elif isinstance(raw, np.ndarray):
        array, wanted = raw, "an array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or float from 0 to 1"
    else:
        raise UnreadableImage(
            name, f"expected a path, bytes, an array, a tensor or a PIL image, got {type(raw).__name__}"
        )
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype.kind != "f" and array.dtype != np.uint8:
        raise UnreadableImage(name, f"{raw.dtype} of shape {tuple(raw.shape)}, while {wanted}")
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise UnreadableImage(name, f"{raw.dtype} of shape {tuple(raw.shape)}, while {wanted}{_hint(array.shape)}")
    array = _from_floats(name, array) if array.dtype.kind == "f" else array
    return Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.ndim == 3 and channels == 1 else array))


def _hint(shape: tuple[int, ...]) -> str:
    """What pixels of the wrong shape, channels last, may have been meant as."""
    if len(shape) == 4:
        return "; of a batch pass list(batch)"
    if len(shape) != 3:
        return ""
    channels_first = shape[0] in (1, 3, 4)
    return "; is it (C, H, W)? Move the channels last" if channels_first else "; of several images pass list(batch)"


def _from_floats(name: str, array: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 as uint8 from 0 to 255."""
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # written so that NaN is refused too
        raise UnreadableImage(name, f"float values from {low:g} to {high:g}, while 0 to 1 is expected")
    pixels: np.ndarray = np.rint(array * 255.0).astype(np.uint8)
    return pixels
