"""Pooling over time, with numbers worked out by hand."""

import math

import pytest
import torch

from sensorium.errors import RequestError
from sensorium.nn.pooling import POOLINGS, AttentionPooling, pool, valid_steps

X = torch.tensor([[[1.0, -5.0], [3.0, -1.0], [99.0, 99.0]], [[-2.0, 4.0], [1.0, 5.0], [4.0, -3.0]]])
LENGTHS = torch.tensor([2, 3])


def test_valid_steps() -> None:
    assert valid_steps(torch.tensor([1, 3]), 3).tolist() == [[True, False, False], [True, True, True]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("last", [[3.0, -1.0], [4.0, -3.0]]),
        ("mean", [[2.0, -3.0], [1.0, 2.0]]),
        ("max", [[3.0, -1.0], [4.0, 5.0]]),
    ],
)
def test_by_hand(kind: str, expected: list[list[float]]) -> None:
    assert pool(kind, width=2)(X, LENGTHS).tolist() == expected


def test_attention_by_hand() -> None:
    """Weights made so that the second of two steps counts three times the first."""
    attention = AttentionPooling(width=2)
    with torch.no_grad():
        attention.projection.weight.copy_(torch.tensor([[0.5, 0.0], [0.0, 0.0]]))
        attention.projection.bias.copy_(torch.tensor([-0.5, 0.0]))  # step 1 gives tanh(0), step 2 tanh(1)
        attention.query.weight.copy_(torch.tensor([[math.log(3) / math.tanh(1), 7.0]]))
    torch.testing.assert_close(attention.weights(X, LENGTHS)[0], torch.tensor([0.25, 0.75, 0.0]))
    torch.testing.assert_close(attention(X, LENGTHS)[0], torch.tensor([2.5, -2.0]))


@pytest.mark.parametrize("kind", POOLINGS)
def test_padding_changes_nothing_even_if_it_is_infinite(kind: str) -> None:
    torch.manual_seed(0)
    pooling = pool(kind, width=2)
    x = X.clone()
    x[0, 2] = torch.inf
    torch.testing.assert_close(pooling(x, LENGTHS)[:1], pooling(x[:1, :2], LENGTHS[:1]))
    one = pooling(x[:, :1], torch.tensor([1, 1]))
    torch.testing.assert_close(one, x[:, 0])  # of one step, every pooling is the step


def test_another_kind_is_refused() -> None:
    with pytest.raises(RequestError, match=r"no pooling 'mena'\. Did you mean mean"):
        pool("mena", width=2)
