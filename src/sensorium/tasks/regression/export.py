"""What an exported graph says of numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Unstandardized(nn.Module):
    """Standardized predictions (B, K) -> predictions in the targets' own units. mean, std: K numbers."""

    mean: Tensor
    std: Tensor

    def __init__(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, standardized: Tensor) -> Tensor:
        """In float32, so that values far from zero have seven digits."""
        return standardized * self.std + self.mean
