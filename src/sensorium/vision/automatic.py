"""Automatic augmentation: a random operation of a list, at a random or given strength.

Both papers' lists are the same fourteen operations and differ in how far each goes. Images that drew the same
operation are gathered and changed together, so a batch costs about as much as each image changed once.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as published

from sensorium.randomness import ExampleRandom
from sensorium.vision import colour, geometry
from sensorium.vision.checks import number

LEVELS = 31  # strengths are the whole numbers 0 to 30, as in AutoAugment and its successors


class Operation(NamedTuple):
    """change(images (b, C, H, W), amount (b,)); the amount goes from weakest (level 0) to strongest (level 30).

    signed: the amount is made negative for every other image, at random.
    """

    name: str
    change: Callable[[Tensor, Tensor], Tensor]
    weakest: float = 0.0
    strongest: float = 0.0
    signed: bool = False


def _operations(*, shear: float, translate: float, rotate: float, enhance: float, bits: int) -> tuple[Operation, ...]:
    """The fourteen operations, by what they reach at the highest level.

    shear: slope. translate: share of the image's side. rotate: degrees. enhance: distance of a factor from 1.
    bits: left by posterize.
    """
    return (
        Operation("identity", lambda images, _: images),
        Operation("shear_x", geometry.shear_x, 0, shear, True),
        Operation("shear_y", geometry.shear_y, 0, shear, True),
        Operation("translate_x", geometry.translate_x, 0, translate, True),
        Operation("translate_y", geometry.translate_y, 0, translate, True),
        Operation("rotate", geometry.rotate, 0, rotate, True),
        Operation("brightness", lambda images, amount: colour.brightness(images, 1 + amount), 0, enhance, True),
        Operation("saturation", lambda images, amount: colour.saturation(images, 1 + amount), 0, enhance, True),
        Operation("contrast", lambda images, amount: colour.contrast(images, 1 + amount), 0, enhance, True),
        Operation("sharpness", lambda images, amount: colour.sharpness(images, 1 + amount), 0, enhance, True),
        Operation("posterize", colour.posterize, 8, bits),
        Operation("solarize", colour.solarize, 1, 0),
        Operation("autocontrast", lambda images, _: published.autocontrast(images)),
        Operation("equalize", lambda images, _: published.equalize(images)),
    )


TRIVIAL = _operations(shear=0.99, translate=1.0, rotate=135.0, enhance=0.99, bits=2)
RAND = _operations(shear=0.3, translate=150 / 331, rotate=30.0, enhance=0.9, bits=4)


def apply_chosen(
    images: Tensor, operations: Sequence[Operation], chosen: Tensor, level: Tensor, negative: Tensor
) -> Tensor:
    """Changes each image by its chosen operation, number (B,), at its level (B,) from 0 to 30.

    negative: (B,) bool, the sign of a signed operation.
    """
    # One transfer of the counts to the host, for all operations together.
    counts = torch.bincount(chosen, minlength=len(operations)).tolist()
    changed = torch.empty_like(images)
    for operation, rows in zip(operations, chosen.argsort(stable=True).split(counts), strict=True):
        if len(rows) == 0:
            continue
        amount = operation.weakest + (operation.strongest - operation.weakest) * (level[rows] / (LEVELS - 1))
        if operation.signed:
            amount = torch.where(negative[rows], -amount, amount)
        changed[rows] = operation.change(images[rows], amount)
    return changed


class TrivialAugment(nn.Module):
    """One operation for each image, at a strength drawn uniformly: nothing to tune (Müller and Hutter 2021).

    The "wide" ranges of arXiv 2103.10158; what moves by up to 32 pixels there, on images of 32, moves by up to the
    whole side here. Moved images are read bilinearly.
    """

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        chosen = random.integers(0, len(TRIVIAL)).squeeze(1)
        level = random.integers(0, LEVELS).squeeze(1)
        negative = random.uniform().squeeze(1) < 0.5
        return apply_chosen(images, TRIVIAL, chosen, level, negative)


class RandAugment(nn.Module):
    """Several operations one after the other, all at one strength (Cubuk 2020, arXiv 1909.13719).

    operations: how many each image gets, drawn with repetition. magnitude: strength, 0 to 30. The ranges are those
    of torchvision's RandAugment; moved images are read bilinearly.
    """

    def __init__(self, *, operations: int, magnitude: float) -> None:
        super().__init__()
        self.operations = int(number("operations", operations, 1))
        self.magnitude = float(number("magnitude", magnitude, 0, LEVELS - 1))

    def forward(self, images: Tensor, random: ExampleRandom) -> Tensor:
        for _ in range(self.operations):
            chosen = random.integers(0, len(RAND)).squeeze(1)
            negative = random.uniform().squeeze(1) < 0.5
            level = torch.full_like(chosen, self.magnitude, dtype=images.dtype)
            images = apply_chosen(images, RAND, chosen, level, negative)
        return images
