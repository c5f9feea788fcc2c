"""Masks of the valid samples or frames in a padded batch of recordings."""

import torch
from torch import Tensor


def valid(lengths: Tensor, size: int) -> Tensor:
    """Which of `size` samples or frames belong to a row: (B, size) bool. lengths: (B,)."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def cleared(x: Tensor, lengths: Tensor) -> Tensor:
    """The same, with zeros past the end of each row: (B, N) samples or (B, T, F) features."""
    padding = ~valid(lengths, x.shape[1])
    return x.masked_fill(padding if x.ndim == 2 else padding[:, :, None], 0.0)
