"""Mixing of two images and their targets.

Each example's partner is another of the same batch, so, unlike the transforms, these depend on the batch.
"""

import torch
from torch import Tensor, nn

from sensorium.randomness import ExampleRandom
from sensorium.vision.boxes import box_mask
from sensorium.vision.checks import number


def _mixed(values: Tensor, partner: Tensor, keep: Tensor) -> Tensor:
    """keep * values + (1 - keep) * the partner's values; keep is (B,)."""
    return values.index_select(0, partner).lerp(values, keep.view(-1, *[1] * (values.ndim - 1)))


class MixUp(nn.Module):
    """A weighted mean of two images and of their targets (Zhang 2018, arXiv 1710.09412).

    alpha: the weight comes from Beta(alpha, alpha), one for each example: near 0 almost always one image, 1 any
    weight alike.
    """

    def __init__(self, *, alpha: float) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha, 1e-3)

    def forward(self, images: Tensor, targets: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) float, targets (B, K) that sum to 1 -> the same shapes."""
        partner, keep = random.permutation(), random.beta(self.alpha)
        return _mixed(images, partner, keep), _mixed(targets, partner, keep)


class CutMix(nn.Module):
    """A box of another image pasted in; targets are mixed by area (Yun 2019, arXiv 1905.04899).

    alpha: the share of the image that is kept comes from Beta(alpha, alpha), one for each example. The middle of the
    box is any pixel; what falls outside is cut off, and the targets count the pixels that were really pasted.
    """

    def __init__(self, *, alpha: float) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha, 1e-3)

    def forward(self, images: Tensor, targets: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) float, targets (B, K) that sum to 1 -> the same shapes."""
        partner, keep = random.permutation(), random.beta(self.alpha)
        full_height, full_width = images.shape[-2:]
        side = (1 - keep).sqrt()
        height, width = (side * full_height).floor(), (side * full_width).floor()
        top = random.integers(0, full_height).squeeze(1) - (height / 2).floor()
        left = random.integers(0, full_width).squeeze(1) - (width / 2).floor()
        pasted = box_mask(images, top, left, height, width)
        kept = (~pasted).sum((1, 2, 3)) / (full_height * full_width)
        return torch.where(pasted, images.index_select(0, partner), images), _mixed(targets, partner, kept)
