"""Convolutions over time and frequency, bidirectional recurrent layers, CTC.

D. Amodei et al., "Deep Speech 2: end-to-end speech recognition in English and Mandarin", 2015, arXiv 1512.02595: two
convolutions with strides, whose kernels are long in time, then stacked GRU layers, with normalization before each.

What differs: layer normalization over each frame in place of batch normalization over the sequences, so that no
utterance depends on the others of its batch or on their padding, in training neither; both directions of a layer stand
side by side instead of being added; kernels are scaled to 40 mel bands (a quarter of the features and 110 and 210 ms,
as in the paper's); 3 recurrent layers of 160 instead of 7 of 1,280; dropout.

The default of 3 frames of 10 ms in one suits characters of the fastest speech (`nn/subsampling.py`).
"""

from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.dropout import LockedDropout
from sensorium.nn.recurrent import Recurrent
from sensorium.nn.subsampling import TimeFrequencyConv, subsampled


class NormalisedConv(nn.Module):
    """A convolution over time and frequency, layer normalization of each frame, ReLU.

    num_features: of the input. kernel_size, stride: (time, frequency); kernels are odd.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        num_features: int,
        kernel_size: tuple[int, int],
        stride: tuple[int, int],
    ) -> None:
        super().__init__()
        self.conv = TimeFrequencyConv(
            in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size, stride=stride
        )
        self.num_features = subsampled(num_features, stride[1])
        self.norm = nn.LayerNorm([out_channels, self.num_features])

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x: (B, C, T, F); lengths: (B,); returns (B, out_channels, T', F'), and its lengths."""
        x, lengths = self.conv(x, lengths)
        return self.norm(x.transpose(1, 2)).transpose(1, 2).relu(), lengths


class NormalisedRecurrent(nn.Module):
    """Layer normalization, dropout of the same features at every frame, and one recurrent layer."""

    def __init__(self, *, cell: str, input_size: int, hidden_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(input_size)
        self.dropout = LockedDropout(dropout)
        self.recurrent = Recurrent(kind=cell, input_size=input_size, hidden_size=hidden_size, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x: (B, T, F); lengths: (B,), 1 to T; returns (B, T, 2 * hidden_size)."""
        return self.recurrent(self.dropout(self.norm(x)), lengths)[0]


class DeepSpeech2(nn.Module):
    """channels: of both convolutions. cell: gru or lstm. hidden_size: of a direction. num_layers: recurrent ones.

    factor: frames in one, 1 or more, the stride of the first convolution. dropout: share of features set to zero in
    training, before each recurrent layer and before the head.

    Raises RequestError for an unknown cell and for a factor below 1.
    """

    def __init__(
        self,
        *,
        num_features: int,
        vocab_size: int,
        channels: int = 32,
        cell: str = "gru",
        hidden_size: int = 160,
        num_layers: int = 3,
        factor: int = 3,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if factor < 1:
            raise RequestError(f"A subsampling factor is a whole number of frames, 1 or more, not {factor}.")
        self.factor = factor
        first = NormalisedConv(
            in_channels=1,
            out_channels=channels,
            num_features=num_features,
            kernel_size=(11, 11),
            stride=(factor, 2),
        )
        second = NormalisedConv(
            in_channels=channels,
            out_channels=channels,
            num_features=first.num_features,
            kernel_size=(7, 5),
            stride=(1, 2),
        )
        self.convs = nn.ModuleList([first, second])
        self.layers = nn.ModuleList(
            NormalisedRecurrent(
                cell=cell,
                input_size=2 * hidden_size if depth else channels * second.num_features,
                hidden_size=hidden_size,
                dropout=dropout,
            )
            for depth in range(num_layers)
        )
        self.norm = nn.LayerNorm(2 * hidden_size)
        self.dropout = LockedDropout(dropout)
        self.head = nn.Linear(2 * hidden_size, vocab_size)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, T, F); lengths: (B,), 1 to T; returns log-probabilities (B, T', V), and their lengths."""
        x = features[:, None]  # (B, 1, T, F)
        for conv in self.convs:
            x, lengths = conv(x, lengths)
        x = x.transpose(1, 2).flatten(2)  # (B, T', C * F')
        for layer in self.layers:
            x = layer(x, lengths)
        return self.head(self.dropout(self.norm(x))).float().log_softmax(2), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of log-probabilities for so many frames of features."""
        return subsampled(lengths, self.factor)
