"""The threshold unit: fires when enough of its inputs do, without training.

W. McCulloch and W. Pitts, "A logical calculus of the ideas immanent in nervous activity", Bulletin of Mathematical
Biophysics 5, 1943. Inputs and output are 0 or 1. Every exciting input counts one; the unit fires when they reach its
threshold; a single active inhibiting input silences it, whatever the others say (the paper's "absolute" inhibition).

What differs: the paper's units take a step of time to answer, and this one answers at once.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError, unknown

CERTAIN = 100.0  # logit of the class that the unit predicts: its probability is then 1 to the last digit


class Wiring(NamedTuple):
    """exciting, inhibiting: which of the two inputs are connected so. threshold: active exciting inputs to fire at."""

    exciting: tuple[int, ...]
    inhibiting: tuple[int, ...]
    threshold: int


FUNCTIONS = {
    "and": Wiring(exciting=(0, 1), inhibiting=(), threshold=2),
    "or": Wiring(exciting=(0, 1), inhibiting=(), threshold=1),
    "not": Wiring(exciting=(), inhibiting=(0,), threshold=0),  # fires unless it is silenced
    "and_not": Wiring(exciting=(0,), inhibiting=(1,), threshold=1),
}


class ThresholdUnit(nn.Module):
    """One unit with two inputs. It has no parameters: training changes nothing, an evaluation shows what it computes.

    function: and, or, not (of the first input), and_not (the first and not the second); its choice is the wiring.
    Raises RequestError for any other function, and for data of other than two inputs and two classes.
    """

    exciting: Tensor
    inhibiting: Tensor

    def __init__(
        self, *, in_channels: int, num_classes: int, image_size: tuple[int, int], function: str = "and"
    ) -> None:
        super().__init__()
        inputs = in_channels * image_size[0] * image_size[1]
        if (inputs, num_classes) != (2, 2):
            raise RequestError(
                f"A threshold unit takes two inputs and predicts two classes, not {inputs:,} and {num_classes:,}.\n"
                "Use dataset=logic."
            )
        if function not in FUNCTIONS:
            raise unknown("function of one threshold unit (model.function)", str(function), FUNCTIONS)
        wiring = FUNCTIONS[function]
        self.threshold = wiring.threshold
        # Not persistent: they follow from `function`, which a checkpoint holds.
        self.register_buffer("exciting", _marked(wiring.exciting), persistent=False)
        self.register_buffer("inhibiting", _marked(wiring.inhibiting), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """images: (B, C, H, W), two numbers each, active from 0.5; returns logits (B, 2), certain of one class."""
        active = (images.flatten(1) >= 0.5).float()  # (B, 2)
        silenced = active @ self.inhibiting > 0
        fires = (active @ self.exciting >= self.threshold) & ~silenced  # (B,)
        return CERTAIN * torch.stack([~fires, fires], dim=1).float()


def _marked(inputs: tuple[int, ...]) -> Tensor:
    """(2,): 1 for the inputs named, else 0."""
    return torch.tensor([float(number in inputs) for number in range(2)])
