"""Raw images, read a batch at a time, prepared as in training."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.specs import PictureSpec
from sensorium.vision.decode import UnreadableImage, decode_image, probe_size, read_bytes


class DecodedImage(NamedTuple):
    """An image prepared as in training. pixels: (C, H, W) uint8. size: (height, width) it had before."""

    pixels: np.ndarray
    size: tuple[int, int]


def read_batches(
    paths: Iterable[Path], spec: PictureSpec, *, batch_size: int
) -> Iterator[list[tuple[Path, DecodedImage | UnreadableImage]]]:
    """batch_size paths at a time, each with its image, or with why it has none: memory stays flat."""
    remaining = iter(paths)
    while batch := list(islice(remaining, batch_size)):
        yield [(path, _read(path, spec)) for path in batch]


def stacked(read: list[tuple[Path, DecodedImage | UnreadableImage]]) -> tuple[Tensor, list[tuple[int, int]]] | None:
    """The images (B, C, H, W) among them, and their original sizes; None where there are none."""
    good = [one for _, one in read if isinstance(one, DecodedImage)]
    return (torch.from_numpy(np.stack([one.pixels for one in good])), [one.size for one in good]) if good else None


def _read(path: Path, spec: PictureSpec) -> DecodedImage | UnreadableImage:
    try:
        file = BytesIO(read_bytes(path))  # once, for its head and for the rest
        file.name = str(path)
        size = probe_size(file)
        pixels = decode_image(file, image_size=spec.image_size, in_channels=spec.in_channels, resize=spec.resize)
    except UnreadableImage as error:
        return error
    return DecodedImage(pixels, size)
