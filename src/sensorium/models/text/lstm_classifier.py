"""A bidirectional recurrent network over a text, and a linear layer on the pooled states.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; in both directions: A. Graves and J. Schmidhuber,
2005. Words are dropped as in M. Iyyer et al. 2015, features as in Y. Gal and Z. Ghahramani 2016, arXiv 1512.05287: the
same ones at every step of a text, after the embedding, between layers and after the last layer.

What differs: by default the features are the maximum of each output over the text (A. Conneau et al. 2017, arXiv
1705.02364, found it better than the last state); recurrent weights are not dropped.
"""

from torch import Tensor, nn

from sensorium.nn.dropout import LockedDropout
from sensorium.nn.embedding import TokenEmbedding
from sensorium.nn.pooling import pool
from sensorium.nn.recurrent import Recurrent


class LSTMClassifier(nn.Module):
    """cell: lstm or gru. embedding_size: of a token's vector. hidden_size: of a direction. num_layers: stacked.

    pooling: last (the state in which each direction ends), mean, max or attention. word_dropout: share of tokens that
    become the unknown word in training. dropout: share of features set to zero in training.

    Raises RequestError for an unknown cell or pooling.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        pad_id: int,
        num_classes: int,
        cell: str = "lstm",
        embedding_size: int = 200,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "max",
        word_dropout: float = 0.1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = TokenEmbedding(
            vocab_size=vocab_size, dim=embedding_size, pad_id=pad_id, word_dropout=word_dropout, dropout=dropout
        )
        self.recurrent = Recurrent(
            kind=cell,
            input_size=embedding_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            variational=True,
        )
        self.last = pooling == "last"
        self.pooling = pool(pooling, width=self.recurrent.output_size)
        self.dropout = LockedDropout(dropout)
        self.head = nn.Linear(self.recurrent.output_size, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """tokens: (B, T); lengths: (B,), 1 to T; returns logits (B, K)."""
        outputs, state = self.recurrent(self.embedding(tokens), lengths)  # (B, T, D)
        if self.last:  # not the outputs of the last step: there the backward direction has read one token only
            return self.head(self.dropout(state[0][:, -1:])[:, 0])
        return self.head(self.pooling(self.dropout(outputs), lengths))
