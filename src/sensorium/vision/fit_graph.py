"""Images of any size brought to one size by tensor operations alone, so that it can be part of an exported graph.

The numbers are Pillow's, which `decode.fit_image` resizes with: a triangle filter as wide as a target pixel (at least a
source pixel), first along rows, rounded to whole values, then along columns. Images of the target's size stay the same.
"""

import torch
from torch import Tensor

_HALF = 1e-4  # by so much less than a half counts as one: the rounding of float32 sums up to 255 is below 1e-4


def fit(images: Tensor, height: int, width: int, resize: str) -> Tensor:
    """images: (B, C, H, W) uint8, or float in [0, 1]; returns float32 (B, C, height, width), in the same range.

    resize: crop, stretch or pad, as `ImageInputSpec` has it.
    """
    rows, columns = _filters(images, (height, width), resize)
    pixels = images.float()
    whole = images.dtype == torch.uint8
    along = pixels @ columns.T
    fitted = rows @ (_rounded(along) if whole else along)
    return _rounded(fitted).clamp(0, 255) if whole else fitted


def _rounded(values: Tensor) -> Tensor:
    """Halves go up, as Pillow's do, and so do those that a sum in another order has made a little less."""
    return (values + (0.5 + _HALF)).floor()


def _filters(images: Tensor, size: tuple[int, int], resize: str) -> tuple[Tensor, Tensor]:
    """Weights (height, H) and (width, W) float32: how much of each source pixel is in each target pixel."""
    places = [torch.arange(images.shape[axis], device=images.device, dtype=torch.float64) for axis in (2, 3)]
    sides = [place[-1] + 1 for place in places]
    scales = [target / side for target, side in zip(size, sides, strict=True)]
    found = []
    for place, side, target, own in zip(places, sides, size, scales, strict=True):
        step = torch.arange(target, device=images.device, dtype=torch.float64)
        start, end, shown = torch.zeros_like(side), side, torch.ones_like(step)
        if resize == "crop":  # the middle that is kept, in source pixels
            cut = ((side - target / torch.maximum(*scales)) / 2).clamp(min=0)
            start, end = cut, side - cut
            ratio = (end - start) / target
        elif resize == "pad":  # as many target pixels as the smaller image has, in the middle
            small = (side * torch.minimum(*scales)).round().clamp(min=1)
            step = step - ((target - small) / 2).floor()
            shown = ((step >= 0) & (step < small)).double()
            ratio = side / small
        else:
            ratio = 1 / own
        middles = start + (step + 0.5) * ratio
        away = (place + 0.5 - middles[:, None]).abs() / ratio.clamp(min=1)
        weights = (1 - away).clamp(min=0)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-12) * shown[:, None]
        found.append(weights.float())
    return found[0], found[1]
