"""A bidirectional recurrent network over a recording, and a linear layer on the pooled states.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; in both directions: A. Graves and J. Schmidhuber,
2005. For commands: D. de Andrade et al., "A neural attention model for speech command recognition", 2018, arXiv
1808.08929, which pools the outputs by attention.

What differs: neighboring frames are read side by side instead of through convolutions, which halves the steps; the
attention's query is learned, not taken from the middle of the recording (`nn/pooling.py`).
"""

from torch import Tensor, nn

from sensorium.nn.dropout import LockedDropout
from sensorium.nn.pooling import pool
from sensorium.nn.recurrent import Recurrent
from sensorium.nn.subsampling import Stacking


class KeywordRNN(nn.Module):
    """cell: lstm or gru. hidden_size: of a direction. num_layers: stacked. factor: frames read side by side, 1 or more.

    pooling: mean, max or attention; last is the outputs of the last step alone. dropout: share of features set to zero
    in training, between layers and after the last one.

    Raises RequestError for an unknown cell or pooling and for a factor below 1.
    """

    def __init__(
        self,
        *,
        num_features: int,
        num_classes: int,
        cell: str = "gru",
        hidden_size: int = 96,
        num_layers: int = 2,
        bidirectional: bool = True,
        factor: int = 2,
        pooling: str = "attention",
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.stacking = Stacking(num_features=num_features, factor=factor)
        self.recurrent = Recurrent(
            kind=cell,
            input_size=self.stacking.output_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            variational=True,
        )
        self.pooling = pool(pooling, width=self.recurrent.output_size)
        self.dropout = LockedDropout(dropout)
        self.head = nn.Linear(self.recurrent.output_size, num_classes)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """features: (B, T, F); lengths: (B,), 1 to T; returns logits (B, K)."""
        x, lengths = self.stacking(features, lengths)
        x, _ = self.recurrent(x, lengths)  # (B, T', D)
        return self.head(self.pooling(self.dropout(x), lengths))
