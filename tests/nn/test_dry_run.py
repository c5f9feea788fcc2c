"""A model tried before training, which stays as it was."""

import pytest
import torch
from torch import nn

from sensorium.nn.dry_run import dry_run, evaluating, reason


def model() -> nn.Module:
    """Normalization that is frozen, between layers that learn."""
    found = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    found[1].eval()
    return found


def test_it_is_called_in_evaluation_mode_and_every_module_keeps_its_own() -> None:
    tried = model()
    with torch.no_grad():
        tried[0].weight.fill_(1.0)
        tried[0].bias.zero_()
    found = dry_run(tried, torch.tensor([[1.0, 2.0]]))
    assert found.tolist() == [pytest.approx([3.0 / (1 + 1e-5) ** 0.5] * 3)]
    assert not found.requires_grad
    assert [module.training for module in tried] == [True, False, True]
    assert tried[1].num_batches_tracked == 0


def test_the_modes_come_back_after_an_error() -> None:
    tried = model()
    with pytest.raises(RuntimeError, match="shapes"), evaluating(tried):
        tried(torch.zeros(1, 5))
    assert [module.training for module in tried] == [True, False, True]


def test_reasons() -> None:
    assert reason(ValueError("too small.\nmore")) == "too small"
    assert reason(AssertionError()) == "AssertionError"
