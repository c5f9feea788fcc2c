"""Small folders of images with boxes and masks for tests of everything that reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# What every data set of image files with boxes or masks has to be told.
COMMON: dict[str, Any] = {
    "image_size": None,
    "resize": "stretch",
    "channels": "auto",
    "cache_bytes": 1 << 24,
    "val_fraction": 0.25,
    "test_fraction": 0.25,
    "split_seed": 0,
}


def write_picture(path: Path, number: int, *, size: tuple[int, int] = (24, 32)) -> Path:
    """Colour noise of (height, width), another one for each number. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_mask(path: Path, values: Any, *, palette: Sequence[int] | None = None) -> Path:
    """(H, W) or (H, W, 3) numbers as an image file; with a palette, as numbers into it. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.array(values, dtype=np.uint8))
    if palette is not None:
        image = image.convert("P")
        image.putdata(np.array(values).ravel().tolist())
        image.putpalette(list(palette))
    image.save(path)
    return path


def voc_xml(boxes: Sequence[tuple[Any, ...]], *, size: tuple[int, int] | None = (24, 32)) -> str:
    """An annotation: each box a name and four words, and "1" for a difficult one; an element a line."""
    lines = ["<annotation>"]
    if size:
        lines.append(f"<size><width>{size[1]}</width><height>{size[0]}</height></size>")
    for name, left, top, right, bottom, *difficult in boxes:
        corners = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        hard = f"<difficult>{difficult[0]}</difficult>" if difficult else ""
        lines.append(f"<object><name>{name}</name>{hard}<bndbox>{corners}</bndbox></object>")
    return "\n".join([*lines, "</annotation>"])
