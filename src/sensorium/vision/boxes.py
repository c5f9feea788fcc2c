"""Random rectangles, their masks, and the two transforms that fill one (Cutout, random erasing)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sensorium.randomness import ExampleRandom
from sensorium.vision.checks import interval, length, number, pixels


def random_boxes(
    images: Tensor, random: ExampleRandom, *, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One box inside each image (B, C, H, W): top, left, height, width, each (B,) in whole pixels, as float.

    scale: smallest and largest area, as a share of the image. ratio: smallest and largest width / height, on top of
    the image's own, even on a logarithmic scale. A side longer than the image is truncated to it.
    """
    area, shape, down, right = random.uniform(4).unbind(1)
    area = scale[0] + (scale[1] - scale[0]) * area
    shape = (math.log(ratio[0]) + math.log(ratio[1] / ratio[0]) * shape).exp()
    full_height, full_width = images.shape[-2:]
    height = ((area / shape).sqrt() * full_height).round().clamp(1, full_height)
    width = ((area * shape).sqrt() * full_width).round().clamp(1, full_width)
    top = (down * (full_height - height + 1)).floor()
    left = (right * (full_width - width + 1)).floor()
    return top, left, height, width


def box_mask(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """(B, 1, H, W) bool, true inside each image's box (B,); what lies outside the image is omitted."""
    row = torch.arange(images.shape[-2], device=images.device)
    column = torch.arange(images.shape[-1], device=images.device)
    rows = (row >= top[:, None]) & (row < (top + height)[:, None])
    columns = (column >= left[:, None]) & (column < (left + width)[:, None])
    return rows[:, None, :, None] & columns[:, None, None, :]


def _paint(images: Tensor, mask: Tensor, fill: float) -> Tensor:
    return images.masked_fill(mask, fill if images.is_floating_point() else int(fill * 255 + 0.5))


class Erasing(nn.Module):
    """Paints over one box of random area and shape (Zhong 2017, arXiv 1708.04896).

    probability: that an image gets a box. scale: smallest and largest area of the box, as a share of the image.
    ratio: smallest and largest width / height of the box. fill: the paint, 0 black to 1 white.
    """

    any_dtype = True

    def __init__(self, *, probability: float, scale: Sequence[float], ratio: Sequence[float], fill: float) -> None:
        super().__init__()
        self.probability = number("probability", probability, 0.0, 1.0)
        self.scale = interval("scale", scale, 0.0, 1.0)
        self.ratio = interval("ratio", ratio, 1e-3)
        self.fill = number("fill", fill, 0.0, 1.0)

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        chosen = random.uniform().squeeze(1) < self.probability
        top, left, height, width = random_boxes(images, random, scale=self.scale, ratio=self.ratio)
        return _paint(images, box_mask(images, top, left, height * chosen, width), self.fill)


class Cutout(nn.Module):
    """Paints over a square whose middle is any pixel, so that part of it may lie outside (DeVries 2017, 1708.04552).

    size: side of the square; below 1, a share of the image's sides; from 1 on, pixels. fill: the paint, 0 black to
    1 white.
    """

    any_dtype = True

    def __init__(self, *, size: float, fill: float) -> None:
        super().__init__()
        self.size = length("size", size)
        self.fill = number("fill", fill, 0.0, 1.0)

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        height, width = (pixels(self.size, side) for side in images.shape[-2:])
        middle_y = random.integers(0, images.shape[-2]).squeeze(1)
        middle_x = random.integers(0, images.shape[-1]).squeeze(1)
        top, left = middle_y - height // 2, middle_x - width // 2
        size_y, size_x = torch.full_like(top, height), torch.full_like(left, width)
        return _paint(images, box_mask(images, top, left, size_y, size_x), self.fill)
