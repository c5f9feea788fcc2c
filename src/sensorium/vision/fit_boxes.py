"""Boxes and masks resized in the same way as their images (`decode.fit_image`), and back.

Everything here works on numpy arrays. Sizes are (height, width) in pixels; a box is left, top, right and bottom in
pixels from the upper left corner of the image, so the whole image is (0, 0, width, height).
"""

from typing import NamedTuple, get_args

import numpy as np

from sensorium.batches import VOID
from sensorium.errors import unknown
from sensorium.specs import Resize


class _Window(NamedTuple):
    """A rectangle of an image."""

    left: float
    top: float
    width: float
    height: float


def fit_boxes(boxes: np.ndarray, *, size: tuple[int, int], image_size: tuple[int, int], resize: Resize) -> np.ndarray:
    """Boxes (N, 4) of an image of `size` -> the same in the image fitted to `image_size`, (N, 4) float32.

    With "crop" a box may reach beyond the image, or lie outside: nothing is cut here.
    """
    source, target = _windows(size, image_size, resize)
    return _moved(boxes, source, target)


def unfit_boxes(boxes: np.ndarray, *, size: tuple[int, int], image_size: tuple[int, int], resize: Resize) -> np.ndarray:
    """The inverse: boxes (N, 4) of a fitted image -> in the original of `size`, cut at its edges, (N, 4) float32."""
    source, target = _windows(size, image_size, resize)
    return clip_boxes(_moved(boxes, target, source), size)


def clip_boxes(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes (N, 4) cut at the edges of an image of (height, width); one outside becomes an empty one at the edge."""
    height, width = size
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))


def fit_mask(mask: np.ndarray, *, image_size: tuple[int, int], resize: Resize) -> np.ndarray:
    """A mask (H, W) uint8 at `image_size`: each pixel takes the class of the nearest; what "pad" adds is VOID."""
    height, width = mask.shape
    source, target = _windows((height, width), image_size, resize)
    return _read(mask, source, target, image_size)


def unfit_mask(mask: np.ndarray, *, size: tuple[int, int], resize: Resize) -> np.ndarray:
    """The inverse: a mask (H, W) uint8 of a fitted image at the original (height, width); VOID where it was cut."""
    height, width = mask.shape
    source, target = _windows(size, (height, width), resize)
    return _read(mask, target, source, size)


def _windows(size: tuple[int, int], image_size: tuple[int, int], resize: Resize) -> tuple[_Window, _Window]:
    """The part of an image that is kept, and where it lies in the fitted one; the very numbers of `decode`."""
    (height, width), (new_height, new_width) = size, image_size
    source, target = _Window(0, 0, width, height), _Window(0, 0, new_width, new_height)
    if resize not in get_args(Resize):
        raise unknown("resize", resize, get_args(Resize))
    if resize == "crop":
        scale = max(new_width / width, new_height / height)
        left, top = max(0.0, (width - new_width / scale) / 2), max(0.0, (height - new_height / scale) / 2)
        source = _Window(left, top, width - 2 * left, height - 2 * top)
    elif resize == "pad":
        scale = min(new_width / width, new_height / height)
        inner_width, inner_height = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (new_width - inner_width) // 2, (new_height - inner_height) // 2
        target = _Window(left, top, inner_width, inner_height)
    return source, target


def _moved(boxes: np.ndarray, source: _Window, target: _Window) -> np.ndarray:
    scale = np.array([target.width / source.width, target.height / source.height] * 2)
    before, after = np.array([source.left, source.top] * 2), np.array([target.left, target.top] * 2)
    return ((np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - before) * scale + after).astype(np.float32)


def _read(mask: np.ndarray, source: _Window, target: _Window, image_size: tuple[int, int]) -> np.ndarray:
    """A mask whose window `target` shows the window `source` of another one, and that is VOID elsewhere."""
    rows = _nearest(image_size[0], mask.shape[0], source.top, source.height, target.top, target.height)
    columns = _nearest(image_size[1], mask.shape[1], source.left, source.width, target.left, target.width)
    read = mask[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)]
    return np.where((rows >= 0)[:, None] & (columns >= 0), read, VOID).astype(np.uint8)


def _nearest(count: int, there: int, start: float, length: float, new_start: float, new_length: float) -> np.ndarray:
    """(count,) int64: which pixel of a side of `there` each pixel of the new side shows; -1 for none."""
    inside = (np.arange(count) + 0.5 - new_start) / new_length
    shown = np.clip(np.floor(start + inside * length), 0, there - 1).astype(np.int64)
    return np.where((inside >= 0) & (inside < 1), shown, -1)
