"""A transformer encoder over the words of a text, and a linear layer on the mean of what it has written.

A. Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762: embeddings times the root of the width plus
sinusoids of the position, then layers of attention and of two linear layers on each word.

What differs: layer normalisation stands before each part, which trains without a warm-up (R. Xiong et al. 2020, arXiv
2002.04745); GELU instead of ReLU; sinusoids are made for the length at hand, so that a text may be of any length, at a
cost that grows with its square; far smaller than the paper's, as labelled texts are few.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.embedding import TokenEmbedding
from sensorium.nn.pooling import MeanPooling, valid_steps


def sinusoids(time: int, width: int, *, device: torch.device | None = None) -> Tensor:
    """Positions as (T, F): sines in even features, cosines in odd ones, wavelengths from 2 pi to 20,000 pi.

    width: an even number. Section 3.5 of the paper.
    """
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10_000.0) / width))
    angles = torch.arange(time, device=device)[:, None] * rates  # (T, F / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


class SelfAttention(nn.Module):
    """Every word looks at every word of its text, in `heads` subspaces."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: (B, T, F); valid: (B, T), which words may be looked at; returns (B, T, F)."""
        query, key, value = self.query_key_value(x).unflatten(2, (3, self.heads, -1)).transpose(1, 3).unbind(2)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=valid[:, None, None, :])
        return self.projection(mixed.transpose(1, 2).flatten(2))  # (B, heads, T, F / heads) -> (B, T, F)


class EncoderBlock(nn.Module):
    """Attention between words, then two layers on each word, each around a shortcut."""

    def __init__(self, *, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x: (B, T, F); valid: (B, T); returns (B, T, F)."""
        x = x + self.dropout(self.attention(self.norm1(x), valid))
        return x + self.dropout(self.mlp(self.norm2(x)))


class TransformerClassifier(nn.Module):
    """width: of a word's vector, an even number. depth: number of blocks. heads: of attention; width divides by it.

    word_dropout: share of tokens that become the unknown word in training. dropout: share of values set to zero in
    training.

    Raises RequestError for a width that is odd or does not divide by heads.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        pad_id: int,
        num_classes: int,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        word_dropout: float = 0.1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if width % heads or width % 2:
            even = math.lcm(heads, 2)
            raise RequestError(
                f"width {width} is odd or does not divide by heads {heads}; try width={max(width // even, 1) * even}."
            )
        self.embedding = TokenEmbedding(vocab_size=vocab_size, dim=width, pad_id=pad_id, word_dropout=word_dropout)
        self.scale = math.sqrt(width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(EncoderBlock(width=width, heads=heads, dropout=dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.pooling = MeanPooling()
        self.head = nn.Linear(width, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (B, T); lengths: (B,), 1 to T; returns logits (B, K)."""
        valid = valid_steps(lengths, tokens.shape[1])
        x = self.embedding(tokens) * self.scale  # (B, T, F)
        x = self.dropout(x + sinusoids(tokens.shape[1], x.shape[2], device=x.device).to(x.dtype))
        for block in self.blocks:
            x = block(x, valid)
        return self.head(self.pooling(self.norm(x), lengths))
