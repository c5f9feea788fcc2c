"""Deep bidirectional recurrent network with CTC.

A. Graves, A. Mohamed and G. Hinton, "Speech recognition with deep recurrent neural networks", 2013, arXiv 1303.5778:
stacked bidirectional LSTM layers, each reading both directions of the one before; trained with connectionist temporal
classification (A. Graves et al. 2006), whose blank is token 0.

What differs: frames are first made fewer, as the cost of recurrent layers grows with their number (H. Sak et al. 2015);
dropout of the same features at every frame instead of noise on the weights; 128 units for a direction instead of 250.

The default of 3 frames of 10 ms in one leaves 33 a second, which is safe for characters: running speech has about 14 a
second, the fastest digits spoken alone have 33. With 4, the shortest of those are too short (`nn/subsampling.py`).
"""

from torch import Tensor, nn

from sensorium.nn.dropout import LockedDropout
from sensorium.nn.recurrent import Recurrent
from sensorium.nn.subsampling import make_subsampling


class DeepRNN(nn.Module):
    """cell: lstm or gru. hidden_size: of a direction. num_layers: stacked.

    subsampling: how frames are made fewer: stack (side by side) or conv (two convolutions). factor: frames in one, 1 or
    more. dropout: share of features set to zero in training, before each layer but the first and before the head.

    Raises RequestError for an unknown cell or subsampling and for a factor below 1.
    """

    def __init__(
        self,
        *,
        num_features: int,
        vocab_size: int,
        cell: str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 3,
        bidirectional: bool = True,
        subsampling: str = "stack",
        factor: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.subsampling = make_subsampling(subsampling, num_features=num_features, factor=factor)
        self.recurrent = Recurrent(
            kind=cell,
            input_size=self.subsampling.output_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            dropout=dropout,
            variational=True,
        )
        self.dropout = LockedDropout(dropout)
        self.head = nn.Linear(self.recurrent.output_size, vocab_size)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, T, F); lengths: (B,), 1 to T; returns log-probabilities (B, T', V), and their lengths."""
        x, lengths = self.subsampling(features, lengths)
        x, _ = self.recurrent(x, lengths)  # (B, T', D)
        return self.head(self.dropout(x)).float().log_softmax(2), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of log-probabilities for so many frames of features."""
        return self.subsampling.output_lengths(lengths)
