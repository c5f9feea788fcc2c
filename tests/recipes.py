"""How the tasks under test are trained: plain SGD at a constant rate."""

from dataclasses import fields
from typing import Any

import torch

from sensorium.optim.schedules import constant
from sensorium.tasks.training_module import OptimizationConfig

FIELDS = {field.name for field in fields(OptimizationConfig)}


def plain_recipe(**changes: Any) -> OptimizationConfig:
    """SGD with a rate of 0.1 and a weight decay of 0.01."""
    settings: dict[str, Any] = {
        "optimizer": lambda groups: torch.optim.SGD(groups),
        "scheduler": lambda optimizer, **steps: constant(optimizer, warmup_epochs=0.0, **steps),
        "lr": 0.1,
        "weight_decay": 0.01,
        "backbone_lr_scale": 1.0,
        "seed": 0,
    }
    return OptimizationConfig(**settings | changes)
