"""One layer of an LSTM or GRU in one direction, as an operator that an exported graph keeps whole.

`torch.lstm` fixes the number of time steps of the example it is traced with. An operator with a shape and no insides is
kept as it is, and becomes one LSTM or GRU of ONNX (`sensorium.exports.translations`).
"""

import torch
from torch import Tensor

_OPTIONS = (True, 1, 0.0, False, False, True)  # biases, layers, dropout, training, one way, batch first


@torch.library.custom_op("sensorium::lstm", mutates_args=())
def lstm(x: Tensor, hidden: Tensor, cell: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """x: (B, T, F); hidden, cell: (1, B, D); weights: of the input, of the hidden state, two biases, as `nn.LSTM` has
    them. Returns outputs (B, T, D), and the last hidden state and cell (1, B, D).
    """
    outputs, *end = torch.lstm(x, (hidden, cell), weights, *_OPTIONS)
    return outputs, end[0].clone(), end[1].clone()


@lstm.register_fake
def _(x: Tensor, hidden: Tensor, cell: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    outputs = x.new_empty(x.shape[0], x.shape[1], hidden.shape[2])
    return outputs, torch.empty_like(hidden), torch.empty_like(cell)


@torch.library.custom_op("sensorium::gru", mutates_args=())
def gru(x: Tensor, hidden: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    """As `lstm`, with one state."""
    outputs, end = torch.gru(x, hidden, weights, *_OPTIONS)
    return outputs, end.clone()


@gru.register_fake
def _(x: Tensor, hidden: Tensor, weights: list[Tensor]) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape[0], x.shape[1], hidden.shape[2]), torch.empty_like(hidden)
