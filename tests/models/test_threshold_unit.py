"""McCulloch and Pitts's unit against the functions it is wired for."""

import pytest
import torch
from torch import Tensor

from sensorium.data.vision.logic import INPUTS, TABLES
from sensorium.errors import RequestError
from sensorium.models.vision.threshold_unit import FUNCTIONS, ThresholdUnit

PAIR = {"in_channels": 1, "num_classes": 2, "image_size": (1, 2)}


def table() -> Tensor:
    return torch.from_numpy(INPUTS).float().view(4, 1, 1, 2)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_it_computes_its_function_and_is_certain(function: str) -> None:
    logits = ThresholdUnit(**PAIR, function=function)(table())
    assert logits.argmax(1).tolist() == list(TABLES[function])
    assert logits.softmax(1).amax(1).tolist() == [1, 1, 1, 1]


def test_and_differs_from_or_in_its_threshold_alone() -> None:
    one, other = FUNCTIONS["and"], FUNCTIONS["or"]
    assert (one.exciting, one.inhibiting) == (other.exciting, other.inhibiting)
    assert (one.threshold, other.threshold) == (2, 1)


def test_inhibition_is_absolute() -> None:
    """At a threshold of 0 the sum 1 - 1 would be enough, and one inhibiting input silences the unit all the same."""
    unit = ThresholdUnit(**PAIR, function="and_not")
    unit.threshold = 0
    assert unit(table()).argmax(1).tolist() == [1, 0, 1, 0]


def test_it_has_nothing_that_learns_and_nothing_to_keep() -> None:
    unit = ThresholdUnit(**PAIR)
    assert list(unit.parameters()) == []
    assert unit.state_dict() == {}


def test_what_one_unit_cannot_do_is_refused() -> None:
    with pytest.raises(RequestError, match=r"no function of one threshold unit .*'xor'"):
        ThresholdUnit(**PAIR, function="xor")
    with pytest.raises(RequestError, match="two inputs and predicts two classes, not 64 and 10"):
        ThresholdUnit(in_channels=1, num_classes=10, image_size=(8, 8))
