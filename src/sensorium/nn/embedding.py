"""Token embeddings."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.nn.dropout import LockedDropout


def drop_words(tokens: Tensor, p: float, *, pad_id: int, unk_id: int = 1) -> Tensor:
    """Each token replaced by the unknown word with probability p; padding stays.

    The model learns not to lean on single words and what an unknown word looks like (M. Iyyer et al., "Deep unordered
    composition rivals syntactic methods for text classification", 2015, section 2.2).

    tokens: any shape; returns the same.
    """
    dropped = torch.rand(tokens.shape, device=tokens.device) < p
    return tokens.masked_fill(dropped & (tokens != pad_id), unk_id)


class TokenEmbedding(nn.Embedding):
    """A table of vectors, normal with standard deviation 0.1 at first; the row of padding is zero and stays zero.

    dim: size of a vector. word_dropout: share of tokens that become the unknown word in training, see `drop_words`.
    dropout: share of features set to zero in training, the same ones at every step of a row (`LockedDropout`).
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        dim: int,
        pad_id: int,
        word_dropout: float = 0.0,
        dropout: float = 0.0,
        unk_id: int = 1,
    ) -> None:
        super().__init__(vocab_size, dim, padding_idx=pad_id)
        self.pad_id = pad_id
        self.unk_id = unk_id
        self.word_dropout = word_dropout
        self.dropout = LockedDropout(dropout)
        with torch.no_grad():
            self.weight.normal_(std=0.1)
            self.weight[pad_id].zero_()

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, T); returns (B, T, dim)."""
        return self.dropout(F.embedding(self.drop(tokens), self.weight, self.padding_idx))

    def drop(self, tokens: Tensor) -> Tensor:
        """The tokens as the table is asked for them: some unknown in training, all as they are in evaluation."""
        if not self.training or self.word_dropout == 0:
            return tokens
        return drop_words(tokens, self.word_dropout, pad_id=self.pad_id, unk_id=self.unk_id)
