"""A scanned digit, scaled and rotated."""

import math

import numpy as np
from PIL import Image

SIDE, DIGIT = 24, 8  # pixels of an image, and of a digit as it was scanned


def draw_digit(digit: np.ndarray, *, angle: float, size: float) -> np.ndarray:
    """(8, 8) from 0 to 16 -> (SIDE, SIDE) uint8: the digit in the middle, `size` pixels of side, turned by `angle`
    degrees counterclockwise.
    """
    pixels = Image.fromarray(np.rint(digit * (230 / 16)).astype(np.uint8))
    # From a place in the image, seen from its middle, back to one in the digit; y grows downwards.
    cosine, sine = (f(math.radians(angle)) * DIGIT / size for f in (math.cos, math.sin))
    middle, center = SIDE / 2, DIGIT / 2
    back = (
        cosine,
        -sine,
        center - (cosine - sine) * middle,
        sine,
        cosine,
        center - (sine + cosine) * middle,
    )
    turned = pixels.transform((SIDE, SIDE), Image.Transform.AFFINE, back, resample=Image.Resampling.BILINEAR)
    return np.asarray(turned)
