"""LSTM and GRU over padded sequences, equal to PyTorch's packed ones and faster on a CPU.

S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; K. Cho et al., "Learning phrase representations using
RNN encoder-decoder", 2014, arXiv 1406.1078; both directions: M. Schuster and K. Paliwal, 1997.

`pack_padded_sequence` makes the numbers independent of padding, and on a CPU keeps PyTorch from its fused kernel. Here
every layer and direction is a plain one-way `nn.LSTM` or `nn.GRU` over the padded batch:

- the backward direction reads each row reversed within its own length, so that padding stays behind the last token and
  is never read before one;
- the hidden state at a row's end is picked from the outputs. The cell state of an LSTM is not among the outputs, so it
  is carried through the padding instead: one more input feature, 1 at padding, closes the input gate and opens the
  forget gate there.

Weights are initialized as in PyTorch, uniform within 1 / sqrt(hidden_size).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sensorium.errors import unknown
from sensorium.nn import recurrent_op
from sensorium.nn.dropout import LockedDropout
from sensorium.nn.pooling import last_steps, valid_steps

CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"lstm": nn.LSTM, "gru": nn.GRU}
SHUT = 1e4  # added to a gate: the sigmoid is exactly 1 (or 0 when subtracted), in half precision too

# oneDNN, which PyTorch has on a CPU, refuses an LSTM in bfloat16 without AVX-512; it is computed in float32 there.
_WITHOUT_LOW_PRECISION = torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")

State = tuple[Tensor, ...]


class Recurrent(nn.Module):
    """Stacked layers in one or both directions; with both, each layer reads what both directions of the last one wrote.

    A state is a tuple of tensors (B, num_layers, D): (hidden, cell) for an LSTM, (hidden,) for a GRU. D is
    `output_size`: hidden_size, or twice that, the forward direction in the first half.

    kind: lstm or gru. dropout: share of values between layers set to zero in training, 0 to 1. variational: the same
    ones at every time step (Gal and Ghahramani 2016). weight_dropout: share of hidden-to-hidden weights set to zero for
    one training step (Merity et al. 2017, arXiv 1708.02182).

    Raises RequestError for another kind.
    """

    def __init__(
        self,
        *,
        kind: str = "lstm",
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        variational: bool = False,
        weight_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if kind not in CELLS:
            raise unknown("recurrent cell", kind, CELLS)
        self.kind = kind
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.weight_dropout = weight_dropout
        directions = 2 if bidirectional else 1
        self.output_size = directions * hidden_size
        self.dropout = LockedDropout(dropout) if variational else nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                CELLS[kind](self.output_size if depth else input_size, hidden_size, batch_first=True)
                for _ in range(directions)
            )
            for depth in range(num_layers)
        )

    def forward(self, x: Tensor, lengths: Tensor | None = None, state: State | None = None) -> tuple[Tensor, State]:
        """Returns the outputs (B, T, D), zero at padding, and the state at the end of each row.

        x: (B, T, F). lengths: (B,), 1 to T; None when every row has T steps, as the chunks of a language model do.
        state: what to begin with, as returned; None for zeros. The backward direction begins at the row's end.
        """
        padding = order = ended = None
        if lengths is not None:
            valid = valid_steps(lengths, x.shape[1])
            padding, order = ~valid[:, :, None], _reversed_order(lengths, valid)
            ended = padding.to(x.dtype)
        ends: list[State] = []
        for depth, layer in enumerate(self.layers):
            if depth:
                x = self.dropout(x)
            assert isinstance(layer, nn.ModuleList)
            outputs = []
            for direction, cell in enumerate(layer):
                begin = None if state is None else self._part(state, depth, direction)
                seen = _reverse(x, order) if direction else x
                written, end = self._run(cell, seen, ended, begin)
                if lengths is not None:  # the hidden state of each row's last step; the cell state was carried there
                    end = (last_steps(written, lengths), *end[1:])
                outputs.append(_reverse(written, order) if direction else written)
                ends.append(end)
            x = torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]  # (B, T, D)
            if padding is not None:
                x = x.masked_fill(padding, 0.0)
        shape = (self.num_layers, self.output_size)
        return x, tuple(torch.stack(parts, dim=1).reshape(-1, *shape) for parts in zip(*ends, strict=True))

    def _part(self, state: State, depth: int, direction: int) -> State:
        """What one layer and direction begins with: tensors (1, B, hidden_size)."""
        start = direction * self.hidden_size
        return tuple(part[None, :, depth, start : start + self.hidden_size].contiguous() for part in state)

    def _run(self, cell: nn.Module, x: Tensor, ended: Tensor | None, begin: State | None) -> tuple[Tensor, State]:
        """One layer in one direction: outputs (B, T, hidden_size) and its last state, tensors (B, hidden_size).

        ended: (B, T, 1), 1 at padding.
        """
        weights: list[Tensor] = list(cell.parameters())  # of the input, of the hidden state, two biases
        if self.training and self.weight_dropout:
            weights[1] = F.dropout(weights[1], self.weight_dropout)
        begin = begin or (x.new_zeros(1, x.shape[0], self.hidden_size),) * (2 if self.kind == "lstm" else 1)
        options = (True, 1, 0.0, self.training, False, True)  # biases, layers, dropout, training, one way, batch first
        if self.kind == "gru":
            if torch.compiler.is_exporting():
                outputs, hidden = recurrent_op.gru(x, begin[0], weights)
            else:
                outputs, hidden = torch.gru(x, begin[0], weights, *options)
            return outputs, (hidden[0],)
        if ended is not None:
            x = torch.cat([x, ended], dim=2)
            weights[0] = torch.cat([weights[0], _carry(weights[0])], dim=1)
        if torch.compiler.is_exporting():
            outputs, *end = recurrent_op.lstm(x, *begin, weights)
        elif _WITHOUT_LOW_PRECISION and x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                begin = tuple(part.float() for part in begin)
                outputs, *end = torch.lstm(x.float(), begin, weights, *options)
        else:
            outputs, *end = torch.lstm(x, begin, weights, *options)
        return outputs, tuple(part[0] for part in end)


def _carry(weight_ih: Tensor) -> Tensor:
    """The weights (4 * hidden_size, 1) of a feature that keeps the cell as it is: input gate shut, forget gate open."""
    gates = weight_ih.new_tensor([-SHUT, SHUT, 0.0, 0.0])  # PyTorch's order: input, forget, cell, output
    return gates.repeat_interleave(len(weight_ih) // 4)[:, None]


def _reversed_order(lengths: Tensor, valid: Tensor) -> Tensor:
    """Numbers of steps (B, T) that turn each row around and leave its padding where it is."""
    steps = torch.arange(valid.shape[1], device=lengths.device)
    return torch.where(valid, lengths[:, None] - 1 - steps, steps)


def _reverse(x: Tensor, order: Tensor | None) -> Tensor:
    """x (B, T, F) with each row turned around, which undoes itself; without an order, all T steps."""
    return x.flip(1) if order is None else x.gather(1, order[:, :, None].expand(-1, -1, x.shape[2]))
