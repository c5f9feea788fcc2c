"""Small folders of images for tests of everything that reads images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def band_picture(*, label: int, classes: int, number: int, size: int = 16, channels: int = 3) -> np.ndarray:
    """(size, size) or (size, size, 3) uint8: noise below 100, and above 155 in the label's horizontal band.

    Class 0 is bright at the top, the last one at the bottom: easy to learn, and the same after a flip left to right.
    """
    random = np.random.default_rng([label, classes, number, size])
    shape = (size, size) if channels == 1 else (size, size, 3)
    pixels = random.integers(0, 100, shape, dtype=np.uint8)
    pixels[size * label // classes : size * (label + 1) // classes] += 155
    return pixels


def write_picture_folder(
    root: Path,
    *,
    classes: int = 2,
    per_class: int = 10,
    size: int = 16,
    channels: int = 3,
    parts: Sequence[str] = (),
    suffix: str = ".png",
) -> Path:
    """Writes root/class_0/000.png ... or, with parts, root/PART/class_0/000.png ...; no image is there twice.

    Returns root.
    """
    for part_number, part in enumerate(parts or [""]):
        for label in range(classes):
            folder = root / part / f"class_{label}"
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(per_class):
                number = part_number * per_class + i
                pixels = band_picture(label=label, classes=classes, number=number, size=size, channels=channels)
                Image.fromarray(pixels).save(folder / f"{i:03d}{suffix}")
    return root
