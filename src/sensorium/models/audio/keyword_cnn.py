"""A small residual network for commands, in which most convolutions are over time only.

B. Kim et al., "Broadcasted residual learning for efficient keyword spotting", 2021, arXiv 2106.04140 (BC-ResNet): a
block convolves over frequency, averages the frequencies away, convolves over time, and adds the result to every
frequency; after the convolution over frequency each of a few bands is normalized by itself (S. Chang et al.,
"SubSpectral normalization for neural audio data processing", 2021, arXiv 2103.13620).

Why this and not plain 3x3 convolutions (R. Tang and J. Lin, "Deep residual learning for small-footprint keyword
spotting", 2018, arXiv 1710.10361): it has fewer weights, and what looks along time, where padding has to be cleared, is
small here.

What differs: the first convolution halves the frames as well as the frequencies, and stages have one block each, at the
paper's width of 3. There is no dropout by default. Normalization takes its statistics from valid frames only. With
stride_time=1, depths [2,2,4,4], a width of 1 to 8 and a dropout of 0.1 it is the paper's network.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.pooling import valid_steps
from sensorium.nn.subsampling import subsampled, without_padding

CHANNELS = (16, 8, 12, 16, 20)  # of the first convolution and of the four stages, for a width of 1
LAST_CHANNELS = 32
STRIDES = (1, 2, 2, 1)  # over frequency, of the first block of each stage
DILATIONS = (1, 2, 4, 8)  # over time, of each stage
MAX_BANDS = 5
SAME_TIMES = 8  # the number of frames is a multiple of this: a CPU prepares each new shape, and keeps what it prepared


class Frames(NamedTuple):
    """Which frames of a batch are valid: mask (B, 1, 1, T) of 1 and 0, and how many in all, ()."""

    mask: Tensor
    total: Tensor


class MaskedNorm(nn.Module):
    """Batch normalization (Ioffe and Szegedy 2015, arXiv 1502.03167) over valid frames, each frequency band by itself.

    As `nn.BatchNorm2d` where nothing is padding and there is one band. Its input is zero at padding, and so is what it
    returns.

    bands: how many groups of neighboring frequencies have statistics of their own; divides F.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, *, channels: int, bands: int = 1, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels, bands))
        self.bias = nn.Parameter(torch.zeros(channels, bands))
        self.register_buffer("running_mean", torch.zeros(channels, bands))
        self.register_buffer("running_var", torch.ones(channels, bands))

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """x: (B, C, F, T); returns (B, C, F, T)."""
        x = x.unflatten(2, (self.weight.shape[1], -1))  # (B, C, bands, F / bands, T)
        if self.training:
            mean, variance = self._statistics(x, frames.total)
        else:
            mean, variance = self.running_mean, self.running_var
        scale = self.weight * (variance + self.epsilon).rsqrt()
        shift = self.bias - mean * scale
        # Where x is zero only the shift is left, and the mask takes it away.
        shift = shift[:, :, None, None] * frames.mask[:, :, None]
        return torch.addcmul(shift, x, scale[:, :, None, None]).flatten(2, 3)

    def _statistics(self, x: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of a batch (C, bands), which also move the running ones.

        From sums and sums of squares, to which zeros add nothing: one pass without a masked copy of x.
        """
        count = count * x.shape[3]
        x = x.float()
        mean = x.sum((0, 3, 4)) / count
        variance = ((x * x).sum((0, 3, 4)) / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_var.lerp_(unbiased, self.momentum)
        return mean, variance


class BroadcastBlock(nn.Module):
    """x + g(x) + f(mean of g(x) over frequency), then ReLU: g convolves over frequency, f over time.

    The first block of a stage has a 1x1 convolution before g, and x is not added.

    in_channels: of x in such a block; None elsewhere. dropout: share of f's channels set to zero in training.
    """

    def __init__(
        self, *, in_channels: int | None, channels: int, stride: int, dilation: int, bands: int, dropout: float
    ) -> None:
        super().__init__()
        self.widen = None
        if in_channels is not None:
            self.widen = nn.Conv2d(in_channels, channels, 1, bias=False)
            self.widen_norm = MaskedNorm(channels=channels)
        self.frequency = nn.Conv2d(channels, channels, (3, 1), (stride, 1), (1, 0), groups=channels, bias=False)
        self.frequency_norm = MaskedNorm(channels=channels, bands=bands)
        self.time = nn.Conv2d(
            channels, channels, (1, 3), padding=(0, dilation), dilation=dilation, groups=channels, bias=False
        )
        self.time_norm = MaskedNorm(channels=channels)
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """x: (B, C, F, T), zero at padding; returns (B, channels, F / stride, T), zero at padding."""
        y = x if self.widen is None else self.widen_norm(self.widen(x), frames).relu()
        y = self.frequency_norm(self.frequency(y), frames)
        over_time = self.time(y.mean(2, keepdim=True)) * frames.mask  # (B, C, 1, T)
        over_time = self.dropout(self.mix(F.silu(self.time_norm(over_time, frames))))
        y = y + over_time
        return (y if self.widen is not None else y + x).relu()


class KeywordCNN(nn.Module):
    """width: the paper's tau, by which all channels are multiplied. depths: blocks of the four stages. stride_time:
    frames of the input for one inside. dropout: share of the channels set to zero in training, in each block.

    Raises RequestError for other than four depths, and for a width or stride that leaves nothing.
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_classes: int,
        width: float = 3.0,
        depths: Sequence[int] = (1, 1, 1, 1),
        stride_time: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(depths) != len(STRIDES) or min(depths) < 1:
            raise RequestError(f"depths of keyword_cnn are four numbers, such as [1,1,1,1], not {list(depths)}.")
        if width <= 0 or stride_time < 1:
            raise RequestError(
                f"keyword_cnn takes a width over 0 and a stride_time of 1 or more, not {width} and {stride_time}."
            )
        self.stride_time = stride_time
        first, *stages = (max(1, round(channels * width)) for channels in CHANNELS)
        frequencies = subsampled(num_features, 2)
        self.stem = nn.Conv2d(1, first, 5, (2, stride_time), 2, bias=False)
        self.stem_norm = MaskedNorm(channels=first)
        blocks, channels = [], first
        for out_channels, stride, dilation, depth in zip(stages, STRIDES, DILATIONS, depths, strict=True):
            frequencies = subsampled(frequencies, stride)
            bands = max(n for n in range(1, MAX_BANDS + 1) if frequencies % n == 0)
            for position in range(depth):
                blocks.append(
                    BroadcastBlock(
                        in_channels=None if position else channels,
                        channels=out_channels,
                        stride=1 if position else stride,
                        dilation=dilation,
                        bands=bands,
                        dropout=dropout,
                    )
                )
            channels = out_channels
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Conv2d(channels, channels, (frequencies, 5), padding=(0, 2), groups=channels, bias=False)
        last_channels = max(1, round(LAST_CHANNELS * width))
        self.mix = nn.Conv2d(channels, last_channels, 1, bias=False)
        self.mix_norm = MaskedNorm(channels=last_channels)
        self.head = nn.Linear(last_channels, num_classes)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """features: (B, T, F); lengths: (B,), 1 to T; returns logits (B, K)."""
        x = without_padding(features, lengths)
        if not torch.compiler.is_exporting():
            x = F.pad(x, (0, 0, 0, -x.shape[1] % SAME_TIMES))
        x = self.stem(x.transpose(1, 2)[:, None])  # (B, C, F / 2, T')
        lengths = subsampled(lengths, self.stride_time)
        mask = valid_steps(lengths, x.shape[3]).to(x.dtype)[:, None, None]
        frames = Frames(mask, lengths.sum())
        x = self.stem_norm(x * mask, frames).relu()
        for block in self.blocks:
            x = block(x, frames)
        x = self.mix(self.last(x) * mask)  # (B, C, 1, T')
        x = self.mix_norm(x, frames).relu()
        return self.head(x.sum((2, 3)) / lengths[:, None])
