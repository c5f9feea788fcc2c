"""Random crops and flips.

A transform takes images (B, C, H, W) and the batch's `ExampleRandom`, and treats every example by numbers of its own:
the result for an example does not depend on the batch it is in. `any_dtype` marks those that also work on stored
uint8 pixels, which is four times less memory to move than float.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import unknown
from sensorium.randomness import ExampleRandom
from sensorium.vision.boxes import random_boxes
from sensorium.vision.checks import interval, length, pixels
from sensorium.vision.geometry import flip, reflect_pad, resized_crop, windows

PADDING_MODES = ("zeros", "reflect")


class RandomCrop(nn.Module):
    """Moves the image: pads all four sides, then cuts a window of the old size at a random place.

    padding: below 1, a share of each side of the image; from 1 on, pixels. mode: what is padded, "zeros" (black) or
    "reflect" (the image reflected).
    """

    any_dtype = True

    def __init__(self, *, padding: float, mode: str) -> None:
        super().__init__()
        if mode not in PADDING_MODES:
            raise unknown("padding mode", mode, PADDING_MODES)
        self.padding = length("padding", padding)
        self.mode = mode

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        height, width = images.shape[-2:]
        rows, columns = pixels(self.padding, height), pixels(self.padding, width)
        top = random.integers(0, 2 * rows + 1).squeeze(1)
        left = random.integers(0, 2 * columns + 1).squeeze(1)
        if self.mode == "zeros":
            images = F.pad(images, (columns, columns, rows, rows))
        else:
            images = reflect_pad(images, rows, columns)
        return windows(images, top, left, height, width)


class RandomFlip(nn.Module):
    """Mirrors every other image, at random.

    horizontal, vertical: which mirrors; each is applied with probability 0.5.
    """

    any_dtype = True

    def __init__(self, *, horizontal: bool, vertical: bool) -> None:
        super().__init__()
        self.horizontal, self.vertical = horizontal, vertical

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        chosen = random.uniform(2) < 0.5
        if self.horizontal:
            images = flip(images, chosen[:, 0], -1)
        if self.vertical:
            images = flip(images, chosen[:, 1], -2)
        return images


class AlternatingFlip(nn.Module):
    """Mirrors left and right at random in the first epoch, then the other way round in every next epoch.

    Any two epochs in a row show each image both ways, where independent flips repeat half of them (Jordan 2024,
    arXiv 2404.00498, section 3.6).
    """

    any_dtype = True

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        first = random.fixed() < 0.5
        return flip(images, first if random.epoch % 2 == 0 else ~first, -1)


class RandomResizedCrop(nn.Module):
    """Cuts a box of random area and shape and stretches it to the full size (Szegedy 2015, section 6).

    scale: smallest and largest area of the box, as a share of the image. ratio: smallest and largest width / height
    of the box, on top of the image's own; even on a logarithmic scale. A side that would be too long is cut short.
    """

    def __init__(self, *, scale: Sequence[float], ratio: Sequence[float]) -> None:
        super().__init__()
        self.scale = interval("scale", scale, 0.0, 1.0)
        self.ratio = interval("ratio", ratio, 1e-3)

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        return resized_crop(images, *random_boxes(images, random, scale=self.scale, ratio=self.ratio))
