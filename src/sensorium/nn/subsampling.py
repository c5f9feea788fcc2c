"""Subsampling of frames, before the layers whose cost grows with their number.

Every way here makes ceil(n / factor) frames of n: nothing at the end is lost, and one frame stays one. Padding is set
to zero before it is read, so that what stands past the end of a row never changes it.

A model that writes characters by CTC needs a frame for each, and one more between two equal ones ("three" needs 6). Of
the 3,000 digits of FSDD, each spoken alone (0.14 to 2.3 s, half of them under 0.42 s, up to 33 characters a second), in
frames of 10 ms, a factor of 2 or 3 leaves room for all; 4 makes 18 of them too short, 5 makes 62. Running speech has
about 14 characters a second, for which 4 is enough, and word pieces need fewer still.
"""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError, unknown
from sensorium.nn.pooling import valid_steps

Frames = TypeVar("Frames", int, Tensor)


def subsampled(lengths: Frames, factor: int) -> Frames:
    """Frames that are left of so many: one for every `factor` of them, and one for a rest."""
    return -(-lengths // factor)


def without_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """x (B, T, ...) with zeros past the end of each row. lengths: (B,)."""
    padding = ~valid_steps(lengths, x.shape[1])
    return x.masked_fill(padding.view(*padding.shape, *(1,) * (x.ndim - 2)), 0.0)


class Stacking(nn.Module):
    """Neighbouring frames side by side as one wide frame; the last one is padded with zeros.

    H. Sak et al., "Fast and accurate recurrent neural network acoustic models for speech recognition", 2015, arXiv
    1507.06947, section 2. Nothing is trained.

    num_features: of a frame. factor: frames in one, 1 or more.

    Raises RequestError for another factor.
    """

    def __init__(self, *, num_features: int, factor: int) -> None:
        super().__init__()
        self.factor = _checked(factor)
        self.output_size = factor * num_features

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, T, F); lengths: (B,); returns (B, T', factor * F), and its lengths."""
        return self.stack(without_padding(x, lengths)), self.output_lengths(lengths)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames left of so many."""
        return subsampled(lengths, self.factor)

    def stack(self, x: Tensor) -> Tensor:
        """x: (B, T, F), zero at padding; returns (B, T', factor * F)."""
        if torch.compiler.is_exporting():  # a convolution that moves: its length needs no remainder
            moved = torch.eye(self.output_size).unflatten(1, (self.factor, -1)).transpose(1, 2)
            padded = F.pad(x, (0, 0, 0, self.factor - 1)).transpose(1, 2)
            return F.conv1d(padded, moved.to(x.dtype), stride=self.factor).transpose(1, 2)
        rest = -x.shape[1] % self.factor
        return F.pad(x, (0, 0, 0, rest)).unflatten(1, (-1, self.factor)).flatten(2)


class TimeFrequencyConv(nn.Module):
    """A convolution over time and frequency that sees zeros before the start, past the end and beside the features.

    kernel_size, stride: (time, frequency); kernels are odd. Of n frames ceil(n / stride) are left, of features too.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, kernel_size: tuple[int, int], stride: tuple[int, int]
    ) -> None:
        super().__init__()
        padding = (kernel_size[0] // 2, kernel_size[1] // 2)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, C, T, F); lengths: (B,); returns (B, out_channels, T', F'), and its lengths."""
        x = without_padding(x.transpose(1, 2), lengths).transpose(1, 2)
        return self.conv(x), subsampled(lengths, self.conv.stride[0])


class ConvSubsampling(nn.Module):
    """Two convolutions with ReLU, which halve the features twice and share the factor in time between them.

    L. Dong et al., "Speech-Transformer", 2018, section 3.3; A. Gulati et al., "Conformer", 2020, arXiv 2005.08100. A
    factor of 4 is their 2 and 2; 2 and 3 fall to the first convolution alone.

    num_features: of a frame. factor: frames in one, 1 or more. channels: of both convolutions.

    Raises RequestError for another factor.
    """

    def __init__(self, *, num_features: int, factor: int, channels: int = 32) -> None:
        super().__init__()
        self.factor = _checked(factor)
        second = max(stride for stride in range(1, math.isqrt(factor) + 1) if factor % stride == 0)
        self.convs = nn.ModuleList(
            TimeFrequencyConv(
                in_channels=in_channels,
                out_channels=channels,
                kernel_size=(max(3, 2 * stride - 1), 3),  # neighbors share frames, whatever the stride
                stride=(stride, 2),
            )
            for in_channels, stride in ((1, factor // second), (channels, second))
        )
        self.output_size = channels * subsampled(num_features, 4)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, T, F); lengths: (B,); returns (B, T', channels * F'), and its lengths."""
        x = x[:, None]  # (B, 1, T, F)
        for conv in self.convs:
            x, lengths = conv(x, lengths)
            x = x.relu()
        return x.transpose(1, 2).flatten(2), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames left of so many."""
        return subsampled(lengths, self.factor)


SUBSAMPLINGS: dict[str, type[Stacking] | type[ConvSubsampling]] = {"stack": Stacking, "conv": ConvSubsampling}


def make_subsampling(kind: str, *, num_features: int, factor: int) -> Stacking | ConvSubsampling:
    """The subsampling of this name, a module of (x (B, T, F), lengths (B,)) -> (x (B, T', output_size), lengths).

    kind: stack or conv. num_features: of a frame. factor: frames in one, 1 or more.

    Raises RequestError for another kind or factor.
    """
    if kind not in SUBSAMPLINGS:
        raise unknown("subsampling", kind, SUBSAMPLINGS)
    return SUBSAMPLINGS[kind](num_features=num_features, factor=factor)


def _checked(factor: int) -> int:
    if factor < 1:
        raise RequestError(f"A subsampling factor is a whole number of frames, 1 or more, not {factor}.")
    return factor
