"""The conformer block: attention sees the whole utterance, a convolution its neighborhood.

A. Gulati et al., "Conformer: convolution-augmented transformer for speech recognition", 2020, arXiv 2005.08100: half a
feed-forward part, attention, the convolution module, the other half, each added to a shortcut, and a layer
normalization.

What differs: positions turn queries and keys (J. Su et al. 2021, arXiv 2104.09864) instead of adding a term for each
distance, which as well makes attention depend on distances alone and lets PyTorch's fused kernel work; the convolution
module has layer normalization in place of batch normalization, so that no utterance depends on the others of its batch
or on their padding, in training neither.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.attention import MultiHeadAttention
from sensorium.nn.pooling import valid_steps
from sensorium.nn.positions import RotaryPositions
from sensorium.nn.subsampling import without_padding


class HalfFeedForward(nn.Sequential):
    """Layer normalization and two layers on each frame, swish between: (..., D) -> (..., D). Half of it is added."""

    def __init__(self, *, width: int, hidden: int, dropout: float) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )


class ConvolutionModule(nn.Module):
    """A gated layer on each frame, a convolution over time for each feature, swish and one more layer.

    width: of a frame. kernel_size: frames that the convolution sees, odd.

    Raises RequestError for an even kernel.
    """

    def __init__(self, *, width: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise RequestError(f"kernel_size {kernel_size} is even and has no middle; try {kernel_size + 1}.")
        self.norm = nn.LayerNorm(width)
        self.gated = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel_size, padding=kernel_size // 2, groups=width)
        self.inner_norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, D); lengths: (B,); returns (B, T, D)."""
        x = without_padding(F.glu(self.gated(self.norm(x)), dim=2), lengths)
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return self.dropout(self.out(F.silu(self.inner_norm(x))))


class ConformerBlock(nn.Module):
    """width: of a frame. heads: of attention. hidden: width inside the feed-forward parts. kernel_size: odd.

    dropout: share of values set to zero in training. positions: as in MultiHeadAttention.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        hidden: int,
        kernel_size: int,
        dropout: float = 0.0,
        positions: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.feed_forward1 = HalfFeedForward(width=width, hidden=hidden, dropout=dropout)
        self.attention_norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads, positions=positions)
        self.attention_dropout = nn.Dropout(dropout)
        self.convolution = ConvolutionModule(width=width, kernel_size=kernel_size, dropout=dropout)
        self.feed_forward2 = HalfFeedForward(width=width, hidden=hidden, dropout=dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, D); lengths: (B,), 1 to T; returns (B, T, D)."""
        x = x + 0.5 * self.feed_forward1(x)
        mixed, _ = self.attention(self.attention_norm(x), mask=valid_steps(lengths, x.shape[1]))
        x = x + self.attention_dropout(mixed)
        x = x + self.convolution(x, lengths)
        return self.norm(x + 0.5 * self.feed_forward2(x))


class Conformer(nn.Module):
    """Blocks one after another, which share the table of positions. Arguments as in ConformerBlock; depth: blocks.

    Raises RequestError for a width that does not divide by twice the heads, and for an even kernel.
    """

    def __init__(
        self, *, width: int, depth: int, heads: int, hidden: int, kernel_size: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            nearest = max(width // (2 * heads), 1) * 2 * heads
            raise RequestError(f"width {width} does not divide by twice the heads ({heads}); try width={nearest}.")
        positions = RotaryPositions(width=width // heads, length=1024)
        self.blocks = nn.ModuleList(
            ConformerBlock(
                width=width,
                heads=heads,
                hidden=hidden,
                kernel_size=kernel_size,
                dropout=dropout,
                positions=positions,
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, D); lengths: (B,), 1 to T; returns (B, T, D)."""
        for block in self.blocks:
            x = block(x, lengths)
        return x
