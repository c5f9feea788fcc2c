"""Mask files: a number for every pixel, or a color.

Shapes: H height, W width. A pixel is named by its column and row, counted from 0.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageOps

from sensorium.batches import VOID
from sensorium.errors import RequestError, listing, nearest
from sensorium.vision.decode import Source, opened
from sensorium.vision.depth import raw_mode

Name = int | str
# Gray of 2 and 4 bits a pixel is decoded to the whole of 0 to 255; a class number is what the file holds.
_GRAY_STEPS = {f"L;{bits}{order}": 255 // (2**bits - 1) for bits in (2, 4) for order in ("", "R")}
MOST_CLASSES = VOID  # a mask's pixel is one byte, and VOID is no class


class BadMask(Exception):
    """A mask whose pixels do not say what they should. `what` describes the file."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class MaskCode:
    """What the pixels of mask files mean.

    Either pixels are numbers, of which `VOID` means nothing; or each color is listed, and has the number of its place
    in the list. The ignored numbers are void; the others, in order, are the classes 0 to K - 1.

    ignored: such numbers or, of colors, names. colours: name -> red, green and blue from 0 to 255; None for numbers.
    """

    def __init__(self, *, ignored: Sequence[Name], colours: Mapping[str, Sequence[int]] | None) -> None:
        self.colours = {name: _colour(name, rgb) for name, rgb in colours.items()} if colours else None
        self.ignored = frozenset(self._number(name) for name in ignored)
        if self.colours:
            codes = np.array([_code(np.array(rgb)) for rgb in self.colours.values()])
            if len(np.unique(codes)) < len(codes):
                raise RequestError("dataset.colours has the same color twice; give each class one of its own.")
            self._order = np.argsort(codes)
            self._codes = codes[self._order]

    def _number(self, name: Name) -> int:
        if isinstance(name, int) and 0 <= name <= VOID:
            return name
        names = list(self.colours or {})
        if name not in names:
            guess = nearest(str(name), names)
            hint = f" Did you mean {guess}?" if guess else ""
            allowed = f"a name in dataset.colours ({listing(names)})" if names else f"a number from 0 to {VOID}"
            raise RequestError(f"dataset.ignore_index={name}: give {allowed}, or a list of such.{hint}")
        return names.index(str(name))

    def numbers(self, source: Source) -> np.ndarray:
        """(H, W) uint8, the number of each pixel as displayed (EXIF). Raises UnreadableImage, BadMask."""
        with opened(source) as image:
            step = _GRAY_STEPS.get(raw_mode(image), 1)
            ImageOps.exif_transpose(image, in_place=True)
            return self._listed(image) if self.colours else _plain_numbers(image, step)

    def _listed(self, image: Image.Image) -> np.ndarray:
        codes = _code(np.asarray(image.convert("RGB")))
        places = np.searchsorted(self._codes, codes).clip(max=len(self._codes) - 1)
        unknown = self._codes[places] != codes
        if unknown.any():
            row, column = np.argwhere(unknown)[0]
            code = int(codes[row, column])
            colour = [code >> 16, code >> 8 & 255, code & 255]
            raise BadMask(f"color {colour} at column {column}, row {row} is not in dataset.colours")
        return self._order[places].astype(np.uint8)

    def class_numbers(self, count: int) -> list[int]:
        """The pixel numbers of the classes 0 to count - 1."""
        return [number for number in range(VOID) if number not in self.ignored][:count]

    def table(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """For each pixel number (256,) uint8 its class or VOID, and (256,) bool whether it may occur at all."""
        classes, known = np.full(256, VOID, dtype=np.uint8), np.zeros(256, dtype=bool)
        for number, pixel in enumerate(self.class_numbers(count)):
            classes[pixel], known[pixel] = number, True
        known[list(self.ignored)] = True
        known[VOID] = True
        return classes, known


def file_palette(source: Source) -> np.ndarray | None:
    """(256, 3) uint8, the colors a mask file of numbers is shown in; None when it has none."""
    with opened(source) as image:
        if image.mode != "P" or image.palette is None:
            return None
        colours = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    return np.concatenate([colours, np.zeros((256 - len(colours), 3), dtype=np.uint8)])


def _plain_numbers(image: Image.Image, step: int) -> np.ndarray:
    """step: how far apart decoding has put neighboring numbers."""
    if image.mode in ("1", "L", "P"):
        return np.array(image, dtype=np.uint8) // np.uint8(step)
    if image.mode[0] in "IF":
        numbers = np.asarray(image)
        if not (numbers == np.rint(numbers)).all():  # NaN neither
            raise BadMask("values that are no whole numbers; class numbers are")
        if numbers.min() < 0 or numbers.max() > VOID:
            raise BadMask(f"numbers from {numbers.min()} to {numbers.max()}; class numbers go up to {VOID - 1}")
        return numbers.astype(np.uint8)
    pixels = np.asarray(image.convert("RGB"))
    if (pixels[..., :1] != pixels).any():
        raise BadMask("its pixels are colors, not class numbers; dataset.colours says which color is which class")
    return np.ascontiguousarray(pixels[..., 0])


def _colour(name: str, rgb: Sequence[int]) -> tuple[int, int, int]:
    values = tuple(rgb)
    if len(values) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in values):
        raise RequestError(f"dataset.colours.{name}: give red, green and blue, three whole numbers from 0 to 255.")
    return values[0], values[1], values[2]


def _code(colours: np.ndarray) -> np.ndarray:
    """(..., 3) -> (...) one number for each color."""
    red, green, blue = np.moveaxis(colours.astype(np.int64), -1, 0)
    return (red << 16) | (green << 8) | blue
