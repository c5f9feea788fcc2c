"""A dry run: one forward pass before training that checks inputs and outputs of a model."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

# What PyTorch, torchvision and timm raise for inputs that a network cannot take.
REFUSALS = (RuntimeError, AssertionError, TypeError, ValueError)


def dry_run(model: nn.Module, *inputs: Any) -> Any:
    """What the model gives for these inputs, in evaluation mode and without gradients; the model stays as it was."""
    with evaluating(model):
        return model(*inputs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module has its own mode again, frozen ones included."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def reason(error: Exception) -> str:
    """The first line of what an error says, or its name."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
