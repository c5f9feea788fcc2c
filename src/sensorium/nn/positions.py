"""Positions of tokens, for a network that would otherwise ignore their order."""

import math

import torch
from torch import Tensor, nn


def sinusoidal_table(length: int, width: int) -> Tensor:
    """(length, width): sines at even columns and cosines at odd ones, of wavelengths 2 pi to 20,000 pi.

    A. Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762, section 3.5.
    """
    angles = _angles(length, width)
    table = torch.empty(length, width)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()[:, : width // 2]
    return table


class SinusoidalPositions(nn.Module):
    """Adds the sinusoids to a sequence of any length; nothing is trained and nothing is saved."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.width = width
        # No buffer: it grows with what is read, and processes that train together compare buffers of one size.
        self.table = sinusoidal_table(64, width)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """x: (B, T, D), whose first token stands at position start; returns (B, T, D)."""
        end = start + x.shape[1]
        if torch.compiler.is_exporting():  # of any length, in the graph
            angles = _angles_at(start, end, self.width)
            table = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, : self.width]
            return x + table.to(x.dtype)
        if end > len(self.table):
            self.table = sinusoidal_table(2 * end, self.width)
        self.table = self.table.to(x.device)
        return x + self.table[start:end].to(x.dtype)


class RotaryPositions(nn.Module):
    """Turns pairs of features by an angle that grows with the position, so that products depend on distances alone.

    J. Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021, arXiv 2104.09864. Feature i is
    paired with feature i + D / 2. Nothing is trained and nothing is saved.

    width: of the vectors, even. length: positions to begin with; a longer sequence makes more.
    """

    def __init__(self, *, width: int, length: int) -> None:
        super().__init__()
        self.width = width
        # No buffers, for the reason given above.
        self.cos, self.sin = _turns(length, width)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """x: (..., T, D), whose first token stands at position start; returns (..., T, D)."""
        first, second = x.chunk(2, dim=-1)
        end = start + x.shape[-2]
        if torch.compiler.is_exporting():
            angles = _angles_at(start, end, self.width).repeat(1, 2)
            return x * angles.cos().to(x.dtype) + torch.cat([-second, first], dim=-1) * angles.sin().to(x.dtype)
        if end > len(self.cos) or self.cos.device != x.device:
            with torch.inference_mode(False):  # training continues with what validation created
                self.cos, self.sin = (table.to(x.device) for table in _turns(max(2 * end, len(self.cos)), self.width))
        turned = torch.cat([-second, first], dim=-1)
        return x * self.cos[start:end].to(x.dtype) + turned * self.sin[start:end].to(x.dtype)


def _turns(length: int, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every angle, (length, width) float32."""
    angles = _angles(length, width).repeat(1, 2)
    return angles.cos().float(), angles.sin().float()


def _angles(length: int, width: int) -> Tensor:
    """(length, width / 2 rounded up) in double precision, so that far positions stay exact."""
    return _angles_at(0, length, width)


def _angles_at(start: int, end: int, width: int) -> Tensor:
    frequencies = torch.exp(torch.arange(0, width, 2).double() * (-math.log(10_000.0) / width))
    return torch.arange(start, end).double()[:, None] * frequencies
