"""Conformer with CTC: attention over the utterance and convolutions.

A. Gulati et al., "Conformer: convolution-augmented transformer for speech recognition", 2020, arXiv 2005.08100, its
encoder; blocks as in `nn/conformer.py`, where it says what differs in them.

What differs: trained with CTC instead of a transducer; 4 blocks of 144 instead of 16, kernels of 15 frames instead of
32, 64 channels in the convolutions that make frames fewer. Those put 3 frames of 10 ms in one where the paper puts 4,
which suits characters of the fastest speech (`nn/subsampling.py`).
"""

from torch import Tensor, nn

from sensorium.nn.conformer import Conformer
from sensorium.nn.subsampling import make_subsampling


class ConformerCTC(nn.Module):
    """width: of a frame, divides by twice the heads. depth: number of blocks. heads: of attention.

    expansion: how many times wider the feed-forward parts are inside. kernel_size: frames that a block's convolution
    sees, odd. subsampling: how frames are made fewer: conv (two convolutions) or stack (side by side). factor: frames
    in one, 1 or more. dropout: share of values set to zero in training.

    Raises RequestError for an unknown subsampling and for numbers that cannot work.
    """

    def __init__(
        self,
        *,
        num_features: int,
        vocab_size: int,
        width: int = 144,
        depth: int = 4,
        heads: int = 4,
        expansion: int = 4,
        kernel_size: int = 15,
        subsampling: str = "conv",
        factor: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.subsampling = make_subsampling(subsampling, num_features=num_features, factor=factor)
        self.projection = nn.Linear(self.subsampling.output_size, width)
        self.dropout = nn.Dropout(dropout)
        self.conformer = Conformer(
            width=width,
            depth=depth,
            heads=heads,
            hidden=expansion * width,
            kernel_size=kernel_size,
            dropout=dropout,
        )
        self.head = nn.Linear(width, vocab_size)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, T, F); lengths: (B,), 1 to T; returns log-probabilities (B, T', V), and their lengths."""
        x, lengths = self.subsampling(features, lengths)
        x = self.conformer(self.dropout(self.projection(x)), lengths)  # (B, T', D)
        return self.head(x).float().log_softmax(2), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of log-probabilities for so many frames of features."""
        return self.subsampling.output_lengths(lengths)
