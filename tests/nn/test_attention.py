"""Attention against PyTorch's own module, against loops, and in pieces against the whole."""

import math

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.attention import MultiHeadAttention, attend
from sensorium.nn.attention_rnn import AdditiveAttention, MultiplicativeAttention
from sensorium.nn.positions import RotaryPositions, SinusoidalPositions, sinusoidal_table
from sensorium.nn.transformer import TransformerBlock

MASK = torch.tensor([[True] * 5, [True, True, True, False, False]])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def twins() -> tuple[MultiHeadAttention, nn.MultiheadAttention]:
    ours, reference = MultiHeadAttention(width=8, heads=2), nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(reference.in_proj_bias)
    ours.in_projection.weight.data, ours.in_projection.bias.data = reference.in_proj_weight, reference.in_proj_bias
    ours.out_projection.load_state_dict(reference.out_proj.state_dict())
    return ours, reference


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
def test_self_attention_is_that_of_pytorch(causal: bool, mask: Tensor | None) -> None:
    ours, reference = twins()
    x = torch.randn(2, 5, 8)
    later = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    expected, _ = reference(x, x, x, key_padding_mask=None if mask is None else ~mask, attn_mask=later)
    torch.testing.assert_close(ours(x, mask=mask, causal=causal)[0], expected)


def test_on_a_cpu_half_the_digits_are_for_products_and_not_for_attention() -> None:
    query, key, value = (torch.randn(2, 2, 5, 4, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = attend(query, key, value, causal=True)
    allowed = torch.ones(5, 5, dtype=torch.bool).tril()
    scores = (query.float() @ key.float().mT / 2).masked_fill(~allowed, -torch.inf)
    torch.testing.assert_close(mixed, scores.softmax(3) @ value.float())  # float32 in type and in digits
    mixed.sum().backward()
    assert query.grad.dtype == torch.bfloat16


def test_attention_to_another_sequence_is_that_of_pytorch() -> None:
    ours, reference = twins()
    x, memory = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    expected, weights = reference(x, memory, memory, key_padding_mask=~MASK)
    torch.testing.assert_close(ours.look(x, ours.read(memory), MASK), expected)
    torch.testing.assert_close(ours.weights(x, ours.read(memory), MASK), weights)


def test_neighbours_share_a_row_of_memory() -> None:
    ours, _ = twins()
    x, memory = torch.randn(6, 1, 8), torch.randn(2, 5, 8)
    expected = ours.look(x, ours.read(memory.repeat_interleave(3, 0)), MASK.repeat_interleave(3, 0))
    torch.testing.assert_close(ours.look(x, ours.read(memory), MASK), expected)


@pytest.mark.parametrize("pieces", [[1] * 7, [3, 4], [2, 1, 4]])
def test_pieces_equal_the_whole(pieces: list[int]) -> None:
    block = TransformerBlock(width=8, heads=2, hidden=16, positions=RotaryPositions(width=4, length=7))
    x, past, parts = torch.randn(2, 7, 8), None, []
    for piece in x.split(pieces, dim=1):
        part, past = block(piece, causal=True, past=past)
        parts.append(part)
    torch.testing.assert_close(torch.cat(parts, dim=1), block(x, causal=True)[0])


def test_block_is_that_of_pytorch() -> None:
    reference = nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    ours = TransformerBlock(width=8, heads=2, hidden=16, cross=True)
    pairs = (
        (ours.attention, reference.self_attn),
        (ours.cross_attention, reference.multihead_attn),
    )
    for attention, other in pairs:
        attention.in_projection.weight.data = other.in_proj_weight
        attention.out_projection.load_state_dict(other.out_proj.state_dict())
    ours.feed_forward[0].load_state_dict(reference.linear1.state_dict())
    ours.feed_forward[3].load_state_dict(reference.linear2.state_dict())
    for attention, _ in pairs:
        nn.init.zeros_(attention.in_projection.bias)
    x, memory = torch.randn(2, 4, 8), torch.randn(2, 5, 8)
    later = torch.ones(4, 4, dtype=torch.bool).triu(1)
    expected = reference(x, memory, tgt_mask=later, memory_key_padding_mask=~MASK)
    read = ours.cross_attention.read(memory)
    torch.testing.assert_close(ours(x, causal=True, memory=read, memory_mask=MASK)[0], expected)


def test_dropout_of_weights_acts_in_training_only() -> None:
    attention, x = MultiHeadAttention(width=8, heads=2, dropout=0.5), torch.randn(2, 5, 8)
    assert not torch.equal(attention(x)[0], attention(x)[0])
    attention.eval()
    assert torch.equal(attention(x)[0], attention(x)[0])


def test_width_that_does_not_divide_is_refused() -> None:
    with pytest.raises(RequestError, match=r"width 10 does not divide by heads 4; try width=8\."):
        MultiHeadAttention(width=10, heads=4)


def test_sinusoids() -> None:
    table = sinusoidal_table(3, 4)
    expected = [[0, 1, 0, 1]] + [[math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)] for t in (1, 2)]
    torch.testing.assert_close(table, torch.tensor(expected))
    assert sinusoidal_table(3, 5).shape == (3, 5)
    positions = SinusoidalPositions(width=4)
    with torch.inference_mode():
        far = positions(torch.zeros(1, 2, 4), start=200)[0]  # longer than the table begins with
    torch.testing.assert_close(far, sinusoidal_table(202, 4)[200:])
    x = torch.zeros(1, 2, 4, requires_grad=True)
    positions(x).square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * sinusoidal_table(2, 4)[None])
    # Buffers of several processes are compared, and would differ in length.
    assert (positions.state_dict(), list(positions.buffers())) == ({}, [])


def test_rotation() -> None:
    rotary = RotaryPositions(width=2, length=8)
    turned = rotary(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), start=2)
    expected = [[math.cos(2), math.sin(2)], [math.cos(3), math.sin(3)]]
    torch.testing.assert_close(turned, torch.tensor(expected))
    rotary = RotaryPositions(width=6, length=8)
    query, key = torch.randn(1, 6), torch.randn(1, 6)
    products = [rotary(query, start=place + 3) @ rotary(key, start=place).T for place in range(5)]
    torch.testing.assert_close(torch.cat(products), products[0].expand(5, 1))


def softmax_over_words(scores: list[float], words: int) -> list[float]:
    powers = [math.exp(score) if place < words else 0.0 for place, score in enumerate(scores)]
    return [power / sum(powers) for power in powers]


@pytest.mark.parametrize("covered", [False, True])
def test_additive_attention_equals_a_loop(covered: bool) -> None:
    attention = AdditiveAttention(query_size=3, memory_size=4, width=6, coverage=covered)
    query, memory, coverage = torch.randn(2, 2, 3), torch.randn(2, 5, 4), torch.rand(2, 2, 5)
    if covered:
        nn.init.normal_(attention.covered)
    weights = attention(query, attention.key(memory), MASK, coverage if covered else None)
    for row, step in ((0, 1), (1, 0)):
        scores = []
        for place in range(5):
            hidden = attention.query(query[row, step]) + attention.key(memory[row, place])
            if covered:
                hidden = hidden + coverage[row, step, place] * attention.covered
            scores.append((attention.score(hidden.tanh())).item())
        torch.testing.assert_close(weights[row, step], torch.tensor(softmax_over_words(scores, int(MASK[row].sum()))))


@pytest.mark.parametrize("covered", [False, True])
def test_multiplicative_attention_equals_a_loop(covered: bool) -> None:
    attention = MultiplicativeAttention(query_size=3, memory_size=4, coverage=covered)
    query, memory, coverage = torch.randn(2, 2, 3), torch.randn(2, 5, 4), torch.rand(2, 2, 5)
    if covered:
        nn.init.normal_(attention.covered)
    weights = attention(query, attention.key(memory), MASK, coverage if covered else None)
    for row, step in ((0, 1), (1, 0)):
        scores = []
        for place in range(5):
            key = attention.key(memory[row, place])
            if covered:
                key = key + coverage[row, step, place] * attention.covered
            scores.append((query[row, step] @ key).item())
        torch.testing.assert_close(weights[row, step], torch.tensor(softmax_over_words(scores, int(MASK[row].sum()))))
