"""A transformer encoder over the words of a text, and a linear layer on its mean output.

A. Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762: embeddings times the root of the width plus
sinusoids of the position, then layers of attention and of two linear layers on each word.

What differs: layer normalization stands before each sublayer, which trains without a warm-up (R. Xiong et al. 2020,
arXiv 2002.04745); GELU instead of ReLU; sinusoids are made for the length at hand, so that a text may be of any length,
at a cost that grows with its square; far smaller than the paper's, as labeled texts are few.
"""

import math

from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.embedding import TokenEmbedding
from sensorium.nn.pooling import MeanPooling, valid_steps
from sensorium.nn.positions import SinusoidalPositions
from sensorium.nn.transformer import TransformerBlock


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
        self.positions = SinusoidalPositions(width=width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            TransformerBlock(width=width, heads=heads, hidden=4 * width, dropout=dropout) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.pooling = MeanPooling()
        self.head = nn.Linear(width, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (B, T); lengths: (B,), 1 to T; returns logits (B, K)."""
        valid = valid_steps(lengths, tokens.shape[1])
        x = self.dropout(self.positions(self.embedding(tokens) * self.scale))  # (B, T, F)
        for block in self.blocks:
            x, _ = block(x, mask=valid)
        return self.head(self.pooling(self.norm(x), lengths))
