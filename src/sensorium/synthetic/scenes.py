"""Scenes of scanned digits among clutter, drawn by numbers from one generator.

A scene is a gray square with a brightness that changes from one side to the other, lines, blobs and pieces of digits
behind, whole digits of many sizes before them, and noise over all. Whole digits hide each other a little at most.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

SIDE = 128  # pixels of a scene
SMALLEST, LARGEST = 14, 56  # pixels of a digit's side, its margin included
BACKGROUND = 0  # of a mask; digit d is d + 1
_OVERLAP = 0.3  # of two boxes, as a share of the smaller one: at most
_TRIES = 30  # places looked at for a digit before it is given up
_INK = 0.5  # cover from which on a pixel belongs to a digit
_PIECE = 3  # rows of 8 in a piece of a digit


class Scene(NamedTuple):
    """pixels: (SIDE, SIDE) uint8. mask: (SIDE, SIDE) uint8. boxes: (n, 4) float32. labels: (n,) int64, the digits."""

    pixels: np.ndarray
    mask: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray


class _Stamp(NamedTuple):
    """How much of each pixel of a square an ink covers (h, w), from 0 to 1, and where its ink begins and ends."""

    cover: np.ndarray
    box: tuple[int, int, int, int]


def draw_scene(digits: np.ndarray, labels: np.ndarray, *, max_digits: int, random: np.random.Generator) -> Scene:
    """One scene of 1 to max_digits digits. digits: (N, 8, 8) from 0 to 16. labels: (N,) which digit each is."""
    canvas = _ground(random)
    _draw_lines_and_blobs(canvas, random)
    _draw_pieces(canvas, digits[labels != 1], random)  # a piece of a one is a one
    mask = np.full((SIDE, SIDE), BACKGROUND, dtype=np.uint8)
    boxes: list[tuple[int, int, int, int]] = []
    shown: list[int] = []
    for row in random.integers(len(digits), size=int(random.integers(1, max_digits + 1))):
        stamp = _stamp(digits[row], random)
        place = _place(stamp, boxes, random)
        if place is None:
            continue
        top, left = place
        _paint(canvas, stamp.cover, top, left, contrast=random.uniform(70, 150))
        height, width = stamp.cover.shape
        mask[top : top + height, left : left + width][stamp.cover > _INK] = labels[row] + 1
        boxes.append(_moved(stamp.box, top, left))
        shown.append(int(labels[row]))
    canvas += random.normal(0, random.uniform(3, 12), canvas.shape)
    pixels = np.rint(canvas.clip(0, 255)).astype(np.uint8)
    return Scene(pixels, mask, np.array(boxes, dtype=np.float32), np.array(shown, dtype=np.int64))


def _ground(random: np.random.Generator) -> np.ndarray:
    """(SIDE, SIDE) float: brightness that changes evenly in one direction."""
    angle, change = random.uniform(0, 2 * np.pi), random.uniform(0, 60)
    along = np.linspace(-0.5, 0.5, SIDE)
    slope = np.cos(angle) * along[None, :] + np.sin(angle) * along[:, None]
    return random.uniform(40, 90) + change * slope


def _draw_lines_and_blobs(canvas: np.ndarray, random: np.random.Generator) -> None:
    drawn = Image.new("L", (SIDE, SIDE))
    pencil = ImageDraw.Draw(drawn)
    for _ in range(random.integers(0, 6)):
        points = random.integers(0, SIDE, (2, 2))
        points[1] = points[0] + random.integers(-40, 41, 2)
        ends = [(int(x), int(y)) for x, y in points]
        pencil.line(ends, fill=int(random.integers(30, 110)), width=int(random.integers(1, 4)))
    for _ in range(random.integers(0, 4)):
        x, y = (int(value) for value in random.integers(0, SIDE, 2))
        across, down = (int(value) for value in random.integers(2, 14, 2))
        pencil.ellipse((x - across, y - down, x + across, y + down), fill=int(random.integers(20, 90)))
    canvas += np.asarray(drawn)


def _draw_pieces(canvas: np.ndarray, digits: np.ndarray, random: np.random.Generator) -> None:
    """Bands cut out of digits, which look like digits nearby and are none."""
    for row in random.integers(len(digits), size=int(random.integers(0, 4))):
        first = int(random.integers(0, 8 - _PIECE + 1))
        side = _side(random)
        piece = digits[row][first : first + _PIECE]
        cover = _enlarged(piece, max(2, side * _PIECE // 8), side, degrees=random.uniform(-30, 30))
        top, left = (int(random.integers(0, SIDE - length + 1)) for length in cover.shape)
        _paint(canvas, cover, top, left, contrast=random.uniform(60, 140))


def _stamp(digit: np.ndarray, random: np.random.Generator) -> _Stamp:
    side = _side(random)
    width = max(SMALLEST // 2, round(side * random.uniform(0.8, 1.1)))
    cover = _enlarged(digit, side, width, degrees=random.uniform(-12, 12))
    rows, columns = (np.flatnonzero((cover > _INK).any(axis=axis)) for axis in (1, 0))
    return _Stamp(cover, (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def _side(random: np.random.Generator) -> int:
    """Even on a logarithmic scale, so that small digits are as frequent as large ones."""
    return round(float(np.exp(random.uniform(np.log(SMALLEST), np.log(LARGEST)))))


def _enlarged(digit: np.ndarray, height: int, width: int, *, degrees: float) -> np.ndarray:
    """Cover (height, width) of a digit, or a piece of one, whose numbers go from 0 to 16."""
    small = Image.fromarray((digit / 16).astype(np.float32))
    large = small.resize((width, height), Image.Resampling.BICUBIC).rotate(degrees, Image.Resampling.BILINEAR)
    return np.clip(np.asarray(large), 0, 1)


def _place(
    stamp: _Stamp, boxes: list[tuple[int, int, int, int]], random: np.random.Generator
) -> tuple[int, int] | None:
    """Top and left for a stamp that hides little of what is there, or None after so many tries."""
    height, width = stamp.cover.shape
    for _ in range(_TRIES):
        top, left = int(random.integers(0, SIDE - height + 1)), int(random.integers(0, SIDE - width + 1))
        new = _moved(stamp.box, top, left)
        if all(_overlap(new, box) <= _OVERLAP for box in boxes):
            return top, left
    return None


def _moved(box: tuple[int, int, int, int], top: int, left: int) -> tuple[int, int, int, int]:
    return box[0] + left, box[1] + top, box[2] + left, box[3] + top


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """What two boxes share, as a share of the smaller one; never less than their IoU."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / min(areas)


def _paint(canvas: np.ndarray, cover: np.ndarray, top: int, left: int, *, contrast: float) -> None:
    """Ink brighter than what is under its middle by `contrast`; it hides what it covers."""
    height, width = cover.shape
    under = canvas[top : top + height, left : left + width]
    ink = min(255.0, float(np.median(under)) + contrast)
    under += cover * (ink - under)
