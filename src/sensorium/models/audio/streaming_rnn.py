"""A recurrent network for streaming: unidirectional, with a lookahead of a few frames.

D. Amodei et al., "Deep Speech 2", 2015, arXiv 1512.02595, section 3.7, and C. Wang et al., "Lookahead convolution layer
for unidirectional recurrent neural networks", 2016: above one-way recurrent layers, each feature of a frame becomes a
weighted sum of itself and of the same feature in the next few frames. Trained with CTC, whose blank is token 0.

What differs: LSTM layers, no batch normalization; frames are first put side by side, as in `deep_rnn`, for the same
reasons and with the same factor.

How far it lags behind the sound: with frames of 10 ms, 3 in one and 8 of those ahead, 260 ms at most, besides the time
it computes. It wants features that do not depend on the sound to come (`Features(normalise="running")`).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.dropout import LockedDropout
from sensorium.nn.recurrent import Recurrent, State
from sensorium.nn.subsampling import Stacking


class StreamState(NamedTuple):
    """What the sound so far leaves to be done.

    frames: (B, r, F), those that do not yet fill a wide one, r < factor. recurrent: of the layers, None before their
    first frame. outputs: (B, p, D), those that still lack frames to look ahead to, p <= lookahead.
    """

    frames: Tensor
    recurrent: State | None
    outputs: Tensor


class Lookahead(nn.Module):
    """Each feature becomes a weighted sum of itself in this frame and the next `frames` ones. It starts as it is."""

    def __init__(self, *, width: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.weight = nn.Parameter(torch.zeros(width, 1, frames + 1))
        nn.init.ones_(self.weight[:, :, 0])

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, frames + T, D); returns (B, T, D)."""
        return F.conv1d(x.transpose(1, 2), self.weight, groups=len(self.weight)).transpose(1, 2)


class StreamingRNN(nn.Module):
    """cell: lstm or gru. hidden_size: of a layer. num_layers: stacked. factor: frames put side by side, 1 or more.

    lookahead: frames after that which the network waits for, 0 or more. dropout: share of features set to zero in
    training, before each layer but the first and before the head.

    Raises RequestError for an unknown cell, a factor below 1 and a lookahead below 0.
    """

    def __init__(
        self,
        *,
        num_features: int,
        vocab_size: int,
        cell: str = "lstm",
        hidden_size: int = 256,
        num_layers: int = 2,
        factor: int = 3,
        lookahead: int = 8,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if lookahead < 0:
            raise RequestError(f"lookahead is a number of frames, 0 or more, not {lookahead}.")
        self.subsampling = Stacking(num_features=num_features, factor=factor)
        self.recurrent = Recurrent(
            kind=cell,
            input_size=self.subsampling.output_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            dropout=dropout,
            variational=True,
        )
        self.lookahead = Lookahead(width=hidden_size, frames=lookahead)
        self.dropout = LockedDropout(dropout)
        self.head = nn.Linear(hidden_size, vocab_size)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features: (B, T, F); lengths: (B,), 1 to T; returns log-probabilities (B, T', V), and their lengths."""
        x, lengths = self.subsampling(features, lengths)
        outputs, _ = self.recurrent(x, lengths)  # (B, T', D), zero at padding
        return self._finish(outputs, last=True), lengths

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of log-probabilities for so many frames of features."""
        return self.subsampling.output_lengths(lengths)

    def stream(self, features: Tensor, state: StreamState | None = None) -> tuple[Tensor, StreamState]:
        """Goes on listening; returns the log-probabilities (B, t', V) that are now certain, and the next state.

        features: (B, t, F), the next t frames of B sounds that began together; t may be 0, and so may t'. state: what
        the call before returned; None at the beginning. All that is returned until `flush`, one after another, is
        what `forward` says of the whole.
        """
        if state is None:
            nothing = features.new_zeros(len(features), 0, self.recurrent.output_size)
            state = StreamState(frames=features[:, :0], recurrent=None, outputs=nothing)
        frames = torch.cat([state.frames, features], dim=1)
        whole = frames.shape[1] - frames.shape[1] % self.subsampling.factor
        outputs, recurrent = self._read(frames[:, :whole], state)
        certain = max(outputs.shape[1] - self.lookahead.frames, 0)
        # Copies, as a view would keep all of a long piece in memory.
        rest = StreamState(frames[:, whole:].clone(), recurrent, outputs[:, certain:].clone())
        return self._finish(outputs), rest

    def flush(self, state: StreamState | None) -> Tensor:
        """The log-probabilities (B, t', V) of what is left when the sound is over, silence following it.

        state: what the last call of `stream` returned; None when there was none, and then there is nothing left.
        """
        if state is None:
            return self.head.weight.new_zeros(1, 0, self.head.out_features)
        return self._finish(self._read(state.frames, state)[0], last=True)

    def _read(self, frames: Tensor, state: StreamState) -> tuple[Tensor, State | None]:
        """Outputs (B, p + t, D) of the layers, pending ones first, and their state."""
        if not frames.shape[1]:
            return state.outputs, state.recurrent
        outputs, recurrent = self.recurrent(self.subsampling.stack(frames), None, state.recurrent)
        return torch.cat([state.outputs, outputs], dim=1), recurrent

    def _finish(self, outputs: Tensor, *, last: bool = False) -> Tensor:
        """Log-probabilities (B, T, V) of outputs (B, lookahead + T, D), or of all when these are the last."""
        if last:
            outputs = F.pad(outputs, (0, 0, 0, self.lookahead.frames))
        if outputs.shape[1] <= self.lookahead.frames:
            return outputs.new_zeros(len(outputs), 0, self.head.out_features)
        return self.head(self.dropout(self.lookahead(outputs))).float().log_softmax(2)
