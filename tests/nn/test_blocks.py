"""Shared blocks."""

import pytest
import torch
from torch import nn

from sensorium.errors import RequestError
from sensorium.nn.convolution import ConvBatchNorm
from sensorium.nn.initialisation import he_normal
from sensorium.nn.trial import try_on_picture


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


def test_trial_names_the_model_the_size_and_the_reason() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 5))
    assert try_on_picture(network, name="tiny", in_channels=1, image_size=(5, 6)).shape == (1, 2, 1, 2)
    assert network.training
    assert network[0].num_batches_tracked == 0
    with pytest.raises(RequestError, match=r"Model tiny cannot take pictures of 4x6 pixels: .*Kernel size"):
        try_on_picture(network, name="tiny", in_channels=1, image_size=(4, 6))
    assert network.training
