"""Attention for recurrent decoders: additive (Bahdanau) and multiplicative (Luong).

Both compare a query (the decoder) with the keys of a source that was read once, and give weights over the source that
sum to 1 and are 0 at padding. With coverage they also see how much weight each source position has had so far (Z. Tu et
al. 2016, arXiv 1601.04811; A. See et al. 2017, arXiv 1704.04368, equation 11), as one more feature of the key.

Shapes: B batch, U target positions (or hypotheses of one source), S source, A width in which the two are compared.
"""

import torch
from torch import Tensor, nn


class AdditiveAttention(nn.Module):
    """score = v . tanh(W query + V memory): one hidden layer.

    D. Bahdanau, K. Cho and Y. Bengio, "Neural machine translation by jointly learning to align and translate", 2015,
    arXiv 1409.0473, appendix A.1.2.

    query_size, memory_size: features of the two. width: of the hidden layer. coverage: whether `forward` is given one.
    """

    def __init__(self, *, query_size: int, memory_size: int, width: int, coverage: bool = False) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, width, bias=False)
        self.key = nn.Linear(memory_size, width)
        self.score = nn.Linear(width, 1, bias=False)
        self.covered = nn.Parameter(torch.zeros(width)) if coverage else None

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor, coverage: Tensor | None = None) -> Tensor:
        """query: (B, U, query_size). keys: (B, S, A), what `key` made of memory. mask: (B, S) bool, True at words.

        coverage: (B, U, S), the sum of earlier weights. Returns weights (B, U, S).
        """
        hidden = self.query(query)[:, :, None] + keys[:, None]  # (B, U, S, A)
        if self.covered is not None and coverage is not None:
            hidden = hidden + coverage[..., None] * self.covered
        return _weights(self.score(hidden.tanh()).squeeze(3), mask)


class MultiplicativeAttention(nn.Module):
    """score = query . W memory.

    M.-T. Luong, H. Pham and C. Manning, "Effective approaches to attention-based neural machine translation", 2015,
    arXiv 1508.04025, section 3.1, "general".

    query_size, memory_size: features of the two. coverage: whether `forward` is given one.
    """

    def __init__(self, *, query_size: int, memory_size: int, coverage: bool = False) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.covered = nn.Parameter(torch.zeros(query_size)) if coverage else None

    def forward(self, query: Tensor, keys: Tensor, mask: Tensor, coverage: Tensor | None = None) -> Tensor:
        """query: (B, U, A). keys: (B, S, A), what `key` made of memory. mask: (B, S) bool, True at words.

        coverage: (B, U, S), the sum of earlier weights. Returns weights (B, U, S).
        """
        scores = query @ keys.transpose(1, 2)
        if self.covered is not None and coverage is not None:
            scores = scores + coverage * (query @ self.covered)[..., None]
        return _weights(scores, mask)


def _weights(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask[:, None], -torch.inf).softmax(dim=2)
