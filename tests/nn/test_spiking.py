"""Leaky integrate-and-fire neurons: potential, spikes and surrogate gradient by hand."""

import pytest
import torch
from torch import Tensor

from sensorium.nn.spiking import LeakyIntegrateAndFire, spike


def test_three_steps_by_hand() -> None:
    """decay 0.5, threshold 1, inputs 0.8, 0.7, 0.9:

    u = 0.8, no spike; u = 0.4 + 0.7 = 1.1, a spike, 0.1 is left; u = 0.05 + 0.9 = 0.95, no spike.
    The same with 0.96 instead of 0.9: u = 1.01, which is enough.
    """
    neurons = LeakyIntegrateAndFire(decay=0.5, threshold=1.0)
    inputs = torch.tensor([[0.8, 0.8], [0.7, 0.7], [0.9, 0.96]], dtype=torch.float64)
    assert neurons(inputs).tolist() == [[0, 0], [1, 1], [0, 1]]


def test_the_threshold_is_taken_and_the_rest_kept() -> None:
    """Without a leak, 2.5 at once is worth a spike at each of two steps, and 0.5 is left for the fourth."""
    neurons = LeakyIntegrateAndFire(decay=1.0, threshold=1.0)
    inputs = torch.tensor([2.5, 0.0, 0.0, 0.5])[:, None]
    assert neurons(inputs).flatten().tolist() == [1, 1, 0, 1]


def test_the_surrogate_gradient_at_points() -> None:
    """1 / (1 + slope * |u - threshold|)^2: 1 at the threshold, 1/4 where slope times the distance is 1."""
    excess = torch.tensor([0.0, 0.2, -0.2, 0.4], requires_grad=True)
    spikes = spike(excess, slope=5.0)
    assert spikes.tolist() == [1, 1, 0, 1]
    spikes.sum().backward()
    torch.testing.assert_close(excess.grad, torch.tensor([1.0, 1 / 4, 1 / 4, 1 / 9]))


def test_the_gradient_goes_back_through_time() -> None:
    """du[3]/dx[1] = decay^2; the reset after the spike at step 2 passes nothing.

    Potentials as in the first test: u - threshold is -0.2, 0.1 and -0.05.
    """
    inputs = torch.tensor([0.8, 0.7, 0.9], dtype=torch.float64)[:, None].requires_grad_()
    neurons = LeakyIntegrateAndFire(decay=0.5, threshold=1.0, slope=5.0)
    neurons(inputs)[2].sum().backward()
    surrogate = 1 / (1 + 5 * 0.05) ** 2
    assert inputs.grad.flatten().tolist() == pytest.approx([0.25 * surrogate, 0.5 * surrogate, surrogate])


def test_potentials_are_kept_in_float32() -> None:
    """In bfloat16 a potential of 256 would not notice another 0.5."""
    inputs: Tensor = torch.full((600, 1), 0.5, dtype=torch.bfloat16)
    spikes = LeakyIntegrateAndFire(decay=1.0, threshold=300.0)(inputs)
    assert spikes.dtype == torch.float32
    assert spikes.flatten().nonzero().flatten().tolist() == [599]
