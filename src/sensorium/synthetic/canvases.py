"""Small canvases with several scanned digits, each in a cell of its own."""

import numpy as np

SIDE, CELL, DIGIT = 24, 12, 8  # pixels of a canvas, of the square in which a digit has its place, and of a digit
MOST_DIGITS = (SIDE // CELL) ** 2
_TAGS = tuple("0123456789")


def draw_canvas(
    digits: np.ndarray, labels: np.ndarray, *, max_digits: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A canvas (SIDE, SIDE) uint8, and the digits on it, in order.

    digits: (N, 8, 8) from 0 to 16. labels: (N,) which digit each is.
    """
    tags = np.sort(random.choice(len(_TAGS), size=int(random.integers(0, max_digits + 1)), replace=False))
    cells = random.permutation(MOST_DIGITS)
    canvas = np.zeros((SIDE, SIDE))
    for tag, cell in zip(tags, cells, strict=False):
        digit = digits[random.choice(np.flatnonzero(labels == tag))]
        top, left = np.array(divmod(cell, SIDE // CELL)) * CELL + random.integers(0, CELL - DIGIT + 1, size=2)
        canvas[top : top + DIGIT, left : left + DIGIT] = digit * (255 / 16) * random.uniform(0.5, 1)
    canvas += random.normal(20, 15, canvas.shape)
    return np.rint(canvas.clip(0, 255)).astype(np.uint8), tags
