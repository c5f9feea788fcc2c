"""Variational dropout: one mask for all time steps."""

import torch.nn.functional as F
from torch import Tensor, nn


class LockedDropout(nn.Module):
    """Dropout with one mask for all time steps of a row: a feature is dropped from the whole sequence or not at all.

    Y. Gal and Z. Ghahramani, "A theoretically grounded application of dropout in recurrent neural networks", 2016,
    arXiv 1512.05287 ("variational dropout"). What is kept is divided by 1 - p, as in `nn.Dropout`.

    p: share of features set to zero in training, 0 to 1.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, T, F); returns (B, T, F)."""
        if not self.training or self.p == 0:
            return x
        return x * F.dropout(x.new_ones(len(x), 1, x.shape[2]), self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"
