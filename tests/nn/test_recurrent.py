"""The padded recurrent layers against PyTorch's packed ones."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sensorium.errors import RequestError
from sensorium.nn.recurrent import CELLS, Recurrent, State

INPUT, HIDDEN, LAYERS = 5, 7, 2
LENGTHS = torch.tensor([4, 9, 1, 6, 9])
CASES = [(kind, bidirectional) for kind in ("lstm", "gru") for bidirectional in (False, True)]


def pair(kind: str, bidirectional: bool) -> tuple[Recurrent, nn.LSTM | nn.GRU]:
    """Ours and PyTorch's, with the same weights."""
    torch.manual_seed(0)
    theirs = CELLS[kind](INPUT, HIDDEN, LAYERS, batch_first=True, bidirectional=bidirectional)
    sizes = {"input_size": INPUT, "hidden_size": HIDDEN, "num_layers": LAYERS}
    ours = Recurrent(kind=kind, bidirectional=bidirectional, **sizes)
    with torch.no_grad():
        for name, own in named(ours):
            own.copy_(getattr(theirs, name))
    return ours, theirs


def named(ours: Recurrent) -> list[tuple[str, nn.Parameter]]:
    """Our parameters under the names that PyTorch gives them."""
    return [
        (f"{name.removesuffix('0')}{depth}{'_reverse' if direction else ''}", parameter)
        for depth, layer in enumerate(ours.layers)
        for direction, cell in enumerate(layer)
        for name, parameter in cell.named_parameters()
    ]


def theirs_first(state: State, directions: int) -> State:
    """(B, layers, D) as PyTorch wants it: (layers * directions, B, hidden_size)."""
    return tuple(part.unflatten(2, (directions, HIDDEN)).flatten(1, 2).transpose(0, 1).contiguous() for part in state)


def packed(theirs: nn.LSTM | nn.GRU, x: Tensor, state: State) -> tuple[Tensor, State]:
    begin = state if isinstance(theirs, nn.LSTM) else state[0]
    outputs, end = theirs(pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False), begin)
    padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return padded, end if isinstance(end, tuple) else (end,)


@pytest.mark.parametrize(("kind", "bidirectional"), CASES)
def test_values_and_gradients_are_those_of_packed_sequences(kind: str, bidirectional: bool) -> None:
    ours, theirs = pair(kind, bidirectional)
    directions = 1 + bidirectional
    inputs = torch.randn(5, 11, INPUT)  # two steps longer than the longest row
    starts = torch.randn(2 if kind == "lstm" else 1, 5, LAYERS, ours.output_size)
    results = []
    for padded in (True, False):
        x, state = inputs.clone().requires_grad_(), starts.clone().requires_grad_()
        if padded:
            outputs, end = ours(x, LENGTHS, tuple(state))
            end = theirs_first(end, directions)
        else:
            outputs, end = packed(theirs, x, theirs_first(tuple(state), directions))
        loss = (outputs * torch.linspace(-1, 1, outputs[0].numel()).view_as(outputs[0])).sum()
        (loss + sum((part**2).sum() for part in end)).backward()
        results.append([outputs, *end, x.grad, state.grad])
    for own, other in zip(*results, strict=True):
        torch.testing.assert_close(own, other, atol=2e-6, rtol=1e-5)
    for name, parameter in named(ours):
        torch.testing.assert_close(parameter.grad, getattr(theirs, name).grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "bidirectional"), CASES)
def test_padding_changes_nothing_and_is_zero_after(kind: str, bidirectional: bool) -> None:
    ours, _ = pair(kind, bidirectional)
    x = torch.randn(5, 9, INPUT)
    outputs, state = ours(x, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone, end = ours(x[row : row + 1, :length])
        torch.testing.assert_close(outputs[row, :length], alone[0], atol=1e-6, rtol=1e-5)
        assert not outputs[row, length:].any()
        for part, other in zip(state, end, strict=True):
            torch.testing.assert_close(part[row], other[0], atol=1e-6, rtol=1e-5)
    changed = x.clone()
    changed[0, 4:] = 1e6  # large values at padding
    torch.testing.assert_close(ours(changed, LENGTHS)[0], outputs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_two_chunks_with_carried_state_are_one(kind: str) -> None:
    ours, _ = pair(kind, bidirectional=False)
    x = torch.randn(3, 10, INPUT)
    whole, end = ours(x)
    first, state = ours(x[:, :4])
    second, last = ours(x[:, 4:], None, state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, atol=1e-6, rtol=1e-5)
    for part, other in zip(last, end, strict=True):
        assert part.shape == (3, LAYERS, HIDDEN)
        torch.testing.assert_close(part, other, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(end[0][:, -1], whole[:, -1])


def test_cell_state_survives_a_long_padding_unchanged_in_low_precision() -> None:
    ours, _ = pair("lstm", bidirectional=True)
    x = torch.randn(2, 400, INPUT)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        _, short = ours(x[:, :3], torch.tensor([3, 3]))
        _, long = ours(x, torch.tensor([3, 400]))
    assert torch.equal(long[1][0], short[1][0])


def test_dropout_falls_between_layers_only_and_only_in_training() -> None:
    torch.manual_seed(0)
    ours = Recurrent(input_size=2, hidden_size=400, num_layers=2, dropout=0.5, variational=True)
    seen: list[Tensor] = []
    ours.dropout.register_forward_hook(lambda module, args, output: seen.append(output))
    x = torch.randn(1, 6, 2)
    ours(x)
    ours.eval()(x)
    (dropped, kept), zero = seen, seen[0] == 0
    assert torch.equal(zero.all(1), zero.any(1))  # the same features at every step
    assert 0.4 < zero.float().mean() < 0.6
    torch.testing.assert_close(dropped[~zero], 2 * kept[~zero])


def test_dropped_weights_are_the_recurrent_ones() -> None:
    ours = Recurrent(input_size=2, hidden_size=3, weight_dropout=1.0)
    x = torch.randn(1, 4, 2)
    hidden = ours(x, torch.tensor([4]))[0]
    nn.init.zeros_(ours.layers[0][0].weight_hh_l0)
    torch.testing.assert_close(hidden, ours.eval()(x)[0])


def test_another_kind_is_refused() -> None:
    with pytest.raises(RequestError, match=r"no recurrent cell 'lstmm'\. Did you mean lstm"):
        Recurrent(kind="lstmm", input_size=1, hidden_size=1)
