"""The perceptron's criterion: its value, and that its gradient is target minus output, by hand."""

import pytest
import torch

from sensorium.losses.perceptron import perceptron_criterion


def test_value_and_gradient_by_hand() -> None:
    """Right at 2 and at -1; wrong at -3, at 0.5, and at 0, which does not fire."""
    logits = torch.tensor([[2.0, -1.0], [-3.0, 0.5], [0.0, -4.0]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    loss = perceptron_criterion(logits, targets)
    assert loss.item() == pytest.approx((3 + 0.5 + 0) / 3)
    loss.backward()
    output_minus_target = torch.tensor([[0.0, 0.0], [-1.0, 1.0], [-1.0, 0.0]])
    torch.testing.assert_close(logits.grad, output_minus_target / 3)
