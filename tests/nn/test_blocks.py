"""Shared blocks."""

import pytest
import torch
from torch import nn

from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.dry_run import dry_run, reason
from sensorium.nn.initialisation import he_normal


def test_conv_batch_norm() -> None:
    torch.manual_seed(0)
    images = torch.randn(8, 3, 9, 9)
    normalised = ConvBatchNorm(in_channels=3, out_channels=4, stride=2, relu=False)(images)
    assert normalised.shape == (8, 4, 5, 5)
    torch.testing.assert_close(normalised.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.var(dim=(0, 2, 3), correction=0), torch.ones(4), atol=1e-3, rtol=0)
    assert ConvBatchNorm(in_channels=3, out_channels=4)(images).min() == 0


def test_he_normal_has_the_variance_of_the_paper() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(50, 100, 3), nn.Linear(200, 300)).apply(he_normal)
    assert network[0].weight.var().item() == pytest.approx(2 / (100 * 9), rel=0.05)
    assert network[1].weight.var().item() == pytest.approx(2 / 200, rel=0.05)
    assert not network[0].bias.any()
    assert not network[1].bias.any()


def test_a_dry_run_leaves_the_model_as_it_was() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 5))
    features = dry_run(network, torch.zeros(1, 1, 5, 6))
    assert features.shape == (1, 2, 1, 2)
    assert not features.requires_grad
    assert network.training
    assert network[0].num_batches_tracked == 0
    with pytest.raises(RuntimeError, match="Kernel size"):
        dry_run(network, torch.zeros(1, 1, 4, 6))
    assert network.training
    assert not dry_run(network.eval(), torch.zeros(1, 1, 5, 5)).requires_grad
    assert not network.training


def test_the_reason_is_one_line() -> None:
    assert reason(RuntimeError("too small.\nmore")) == "too small"
    assert reason(AssertionError()) == "AssertionError"
