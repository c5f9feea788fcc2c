"""What happens to a batch before the model: augmentation, and preprocessing such as normalizing."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sensorium.randomness import ExampleRandom

Inputs = tuple[Tensor, ...]


class Augmentation(Protocol):
    """Changes a batch at random while training. takes: what it is for, such as "images". active: whether it does."""

    takes: str

    @property
    def active(self) -> bool: ...

    def prepared(self, inputs: Inputs, targets: Any, random: ExampleRandom, prepare: nn.Module) -> tuple[Inputs, Any]:
        """What the model is called with, `prepare` having its place among the changes, and the targets."""


class Preparation(nn.Module):
    """A batch's `inputs` -> what the model is called with.

    prepare: module of all inputs -> a tuple. augment: changes them in training.
    """

    def __init__(self, *, prepare: nn.Module, augment: Augmentation) -> None:
        super().__init__()
        self.prepare, self.augment = prepare, augment

    @property
    def augments(self) -> bool:
        """Whether training sees anything but what is stored."""
        return self.augment.active

    def forward(self, *inputs: Tensor) -> Inputs:
        with torch.autocast(inputs[0].device.type, enabled=False):  # spectra need all the digits
            return self.prepare(*inputs)

    def augmented(self, inputs: Inputs, targets: Any, random: ExampleRandom) -> tuple[Inputs, Any]:
        """Prepared inputs and their targets, both changed at random.

        targets: (B, K) for classes, `Boxes` for boxes, (B, H, W) for masks.
        """
        return self.augment.prepared(inputs, targets, random, self)


class AsStored(nn.Module):
    """For data that needs no preprocessing: a batch's inputs as they are."""

    def forward(self, *inputs: Tensor) -> Inputs:
        return inputs
