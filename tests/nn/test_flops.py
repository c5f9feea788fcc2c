"""Sizes and costs, by hand."""

import torch
from torch import nn

from sensorium.models.vision.vit import SelfAttention
from sensorium.nn.flops import count_flops, count_parameters


def test_one_convolution() -> None:
    conv = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)
    # each of 8 * 5 * 5 outputs is 3 * 3 * 3 multiply-adds, two operations each
    assert count_flops(conv, torch.zeros(1, 3, 10, 10)) == 2 * 8 * 25 * 27
    assert count_flops(conv, torch.zeros(4, 3, 10, 10)) == 4 * 2 * 8 * 25 * 27
    assert count_parameters(conv) == 8 * 27 + 8


def test_attention() -> None:
    # T = 5, F = 12: four products of (5, 12) with (12, 12), and twice 5 * 5 * 12 for the weights and the mixture
    expected = 2 * (4 * 5 * 12 * 12 + 2 * 5 * 5 * 12)
    assert count_flops(SelfAttention(width=12, heads=3), torch.zeros(1, 5, 12)) == expected


def test_fused_layers_of_pytorch_are_counted() -> None:
    layer = nn.TransformerEncoderLayer(12, 2, dim_feedforward=24, batch_first=True)
    expected = 2 * (4 * 5 * 12 * 12 + 2 * 5 * 5 * 12 + 2 * 5 * 12 * 24)
    assert count_flops(layer, torch.zeros(1, 5, 12)) == expected


def test_recurrent_layers_are_counted() -> None:
    # at each of 5 steps four gates of 6 from 12 inputs and 6 remembered numbers
    expected = 2 * 5 * 4 * 6 * (12 + 6)
    assert count_flops(nn.LSTM(12, 6, batch_first=True), torch.zeros(1, 5, 12)) == expected


def test_counting_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    count_flops(model, torch.ones(1, 1, 4, 4))
    assert model.training
    assert model[1].num_batches_tracked == 0
    assert torch.backends.mha.get_fastpath_enabled()


def test_frozen_parameters_count_and_buffers_do_not() -> None:
    norm = nn.BatchNorm2d(7)
    norm.weight.requires_grad_(False)
    assert count_parameters(norm) == 14
