"""Convolutions over the words of a text with max pooling.

Y. Kim, "Convolutional neural networks for sentence classification", 2014, arXiv 1408.5882, the variant CNN-rand: 100
filters for each window of 3, 4 and 5 words over vectors of 300, ReLU, max over time, dropout 0.5 before the last layer.

What differs: the rows of the last layer are not rescaled to a norm of at most 3; words may be dropped too. As in the
author's code, zeros stand before and behind the text, here one less than the window is wide, so that every window
that touches the text counts, and a text may be shorter than a window. Windows that see only padding never count.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.nn.embedding import TokenEmbedding
from sensorium.nn.pooling import MaxPooling, valid_steps


class CNNText(nn.Module):
    """embedding_size: of a token's vector. widths: tokens in a window, one group of filters each. filters: of a group.

    word_dropout: share of tokens that become the unknown word in training. dropout: share of the filters' maxima set to
    zero in training.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        pad_id: int,
        num_classes: int,
        embedding_size: int = 300,
        widths: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        word_dropout: float = 0.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(
            vocab_size=vocab_size, dim=embedding_size, pad_id=pad_id, word_dropout=word_dropout
        )
        self.widths = tuple(widths)
        self.convs = nn.ModuleList(
            nn.Conv1d(embedding_size, filters, kernel_size=width, padding=width - 1) for width in widths
        )
        self.pooling = MaxPooling()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(self.widths), num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (B, T); lengths: (B,), 1 to T; returns logits (B, K)."""
        padding = ~valid_steps(lengths, tokens.shape[1])
        x = self.embedding(tokens).masked_fill(padding[:, :, None], 0.0).transpose(1, 2)  # (B, D, T)
        features = []
        for width, conv in zip(self.widths, self.convs, strict=True):
            windows = F.relu(conv(x)).transpose(1, 2)  # (B, T + width - 1, filters)
            features.append(self.pooling(windows, lengths + width - 1))
        return self.head(self.dropout(torch.cat(features, dim=1)))
