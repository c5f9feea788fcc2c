"""Raw images, read a batch at a time, prepared as in training: files, bytes, arrays, PIL images and tensors."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sensorium.specs import ImageInputSpec
from sensorium.tasks.base import LoadedModel, PredictOptions, Predictor
from sensorium.tasks.named_bytes import name_of
from sensorium.tasks.range_notes import RangeNotes
from sensorium.vision.decode import UnreadableImage, fit_values, measured_image, probe_size, read_bytes
from sensorium.vision.depth import FULL_RANGE, Extent, PixelRange, check_finite, extent, from_channels, high_bytes
from sensorium.vision.normalise import from_pixels

# str and Path: a file. bytes: its content. np.ndarray: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) uint8, uint16, or
# float from 0 to 1; with a range of values (`range_for`) numbers of any type, in its units, but for uint8. Tensor:
# (C, H, W) of the same, C 1 or 3.
RawImage = str | Path | bytes | np.ndarray | Image.Image | Tensor
TENSOR_DTYPES = (torch.uint8, torch.uint16, torch.float16, torch.float32, torch.float64)  # bfloat16 has no NumPy form
RANGED_DTYPES = (*TENSOR_DTYPES, torch.int16, torch.int32, torch.uint32, torch.int64)
_TIFF_ALONE = ("F", "I", "I;16B")  # modes of Pillow that a PNG cannot hold whole
# Those that no PNG has, as what Pillow makes of their files.
_CONVERTED = {"CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB", "RGBX": "RGB", "RGBa": "RGBA", "La": "LA", "PA": "RGBA"}


class DecodedImage(NamedTuple):
    """An image prepared as in training. pixels: (C, H, W) uint8, or uint16 with a range of values. size: height and
    width it had before. used: how it uses its range, None for 8 bits.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    used: Extent | None = None


ReadImage = tuple[str, DecodedImage | UnreadableImage]  # behind its name; or why it cannot be read


def range_for(spec: ImageInputSpec, options: PredictOptions) -> PixelRange | None:
    """What images of more than 8 bits are brought to: the range asked for, else that of the checkpoint."""
    if options.pixel_range is None:
        return spec.pixel_range
    low, high = options.pixel_range
    return float(low), float(high)


class ImageReader:
    """Reads raw images, and keeps how they use their range of values."""

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self._shape: ImageInputSpec = model.spec
        self._batch_size, self._range = options.batch_size, range_for(model.spec, options)
        self._notes = RangeNotes(self._range, given=options.pixel_range is not None)

    def read_batches(self, images: Iterable[RawImage]) -> Iterator[list[ReadImage]]:
        """So many images at a time as the options say: memory stays flat."""
        remaining = enumerate(images)
        while batch := list(islice(remaining, self._batch_size)):
            named = [
                (str(raw) if isinstance(raw, str | Path) else name_of(raw, f"image {number}"), raw)
                for number, raw in batch
            ]
            read = [(name, _read(name, raw, self._shape, self._range)) for name, raw in named]
            for _, one in read:
                if isinstance(one, DecodedImage):
                    self._notes.add(one.used)
            yield read

    def notes(self) -> list[str]:
        """How images of more than 8 bits were brought to the model's range, a line each."""
        return self._notes.lines()


class ImagesPredictor(ImageReader, Predictor):
    """What predictors of every task share that is given images."""


def stacked(read: list[ReadImage]) -> tuple[Tensor, list[tuple[int, int]]] | None:
    """The images (B, C, H, W) among them, and their original sizes; None where there are none."""
    good = [one for _, one in read if isinstance(one, DecodedImage)]
    return (from_pixels(np.stack([one.pixels for one in good])), [one.size for one in good]) if good else None


def _read(
    name: str, raw: RawImage, spec: ImageInputSpec, pixel_range: PixelRange | None
) -> DecodedImage | UnreadableImage:
    shape: dict[str, Any] = {
        "image_size": spec.image_size,
        "in_channels": spec.in_channels,
        "resize": spec.resize,
        "pixel_range": pixel_range,
    }
    array = None
    try:
        if isinstance(raw, np.ndarray | Tensor):
            array = _array(name, raw, ranged=pixel_range is not None)
            if pixel_range is not None and array.dtype != np.uint8:
                fitted, in_range = fit_values(from_channels(np.atleast_3d(array)), **shape)
                return DecodedImage(fitted, (array.shape[0], array.shape[1]), in_range)
            raw = _from_array(name, array)
        file = BytesIO(_encoded(name, raw))  # once, for its head and for the rest
        file.name = name
        size = probe_size(file)
        pixels, used = measured_image(file, **shape)
    except UnreadableImage as error:
        return error
    if array is not None and array.dtype == np.uint16:
        used = extent(array, FULL_RANGE)
    return DecodedImage(pixels, size, used)


def _encoded(name: str, raw: str | Path | bytes | Image.Image) -> bytes:
    """The content of an image file. What is in memory is encoded without loss, so that all images take one way."""
    if isinstance(raw, str | Path):
        return read_bytes(Path(raw))
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    if not isinstance(raw, Image.Image):
        expected = "expected a path, bytes, an array, a tensor or a PIL image"
        raise UnreadableImage(name, f"{expected}, got {type(raw).__name__}")
    file = BytesIO()
    try:
        if raw.mode in _TIFF_ALONE:
            raw.save(file, format="tiff")
        else:
            storable = raw.convert(_CONVERTED[raw.mode]) if raw.mode in _CONVERTED else raw
            storable.save(file, format="png", compress_level=1)
    except (OSError, ValueError) as error:
        raise UnreadableImage(name, f"PIL mode {raw.mode} cannot be read") from error
    return file.getvalue()


def _array(name: str, raw: np.ndarray | Tensor, *, ranged: bool) -> np.ndarray:
    """(H, W) or (H, W, C) numbers of a type that can be read. ranged: whether a range of values says what they mean."""
    numbers = "numbers in the units of pixel_range, or uint8" if ranged else "uint8, uint16 or float from 0 to 1"
    if isinstance(raw, Tensor):
        wanted = f"a tensor is (C, H, W) with C 1 or 3, {numbers}"
        known = RANGED_DTYPES if ranged else TENSOR_DTYPES
        if raw.dtype not in known or raw.layout != torch.strided or raw.device.type == "meta":
            raise UnreadableImage(name, f"{raw.dtype} of shape {tuple(raw.shape)}, while {wanted}")
        pixels = raw.detach().cpu().numpy()
        array = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    else:
        # Some readers of scientific files give the byte order of the file.
        array, wanted = (
            raw.astype(raw.dtype.newbyteorder("="), copy=False),
            f"an array is (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), {numbers}",
        )
    channels = array.shape[2] if array.ndim == 3 else 1
    if not (array.dtype in (np.uint8, np.uint16) or array.dtype.kind in ("fiu" if ranged else "f")):
        raise UnreadableImage(name, f"{raw.dtype} of shape {tuple(raw.shape)}, while {wanted}")
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise UnreadableImage(name, f"{raw.dtype} of shape {tuple(raw.shape)}, while {wanted}{_hint(array.shape)}")
    if channels == 4 and ranged and array.dtype not in (np.uint8, np.uint16):
        raise UnreadableImage(name, f"{array.dtype} with transparency, which is read of uint8 and uint16 alone")
    if ranged:
        try:
            check_finite(array)
        except ValueError as error:
            raise UnreadableImage(name, str(error)) from error
    return array


def _from_array(name: str, array: np.ndarray) -> Image.Image:
    """(H, W) or (H, W, C) uint8, uint16, or float from 0 to 1."""
    gray = array.ndim == 2 or array.shape[2] == 1
    if array.dtype.kind == "f":
        array = _from_floats(name, array)
    elif array.dtype == np.uint16 and not gray:
        array = high_bytes(array)
    return Image.fromarray(np.ascontiguousarray(array[:, :, 0] if gray and array.ndim == 3 else array))


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
    if not (low >= 0 and high <= 1):  # written so that NaN is rejected too
        raise UnreadableImage(name, f"float values from {low:g} to {high:g}, while 0 to 1 is expected")
    pixels: np.ndarray = np.rint(array * 255.0).astype(np.uint8)
    return pixels
