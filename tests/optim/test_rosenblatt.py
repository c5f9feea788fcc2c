"""Rosenblatt's rule: one step by hand, Novikoff's bound on mistakes, and what one layer cannot learn."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.data.vision.logic import INPUTS, TABLES, Logic
from sensorium.errors import RequestError
from sensorium.models.vision.mlp import MLP
from sensorium.models.vision.perceptron import Perceptron
from sensorium.optim.rosenblatt import Rosenblatt
from sensorium.tasks import registry
from sensorium.tasks.classification.module import ClassificationModule
from sensorium.tasks.preprocessing import Preparation
from sensorium.vision.augment import Augment

PAIR = {"in_channels": 1, "num_classes": 2, "image_size": (1, 2)}


class Training:
    """A model on a truth table, one example at a time, as the command trains it."""

    def __init__(self, function: str, model: nn.Module, **changes: Any) -> None:
        data = Logic(function=function).load(on_bad="fail")
        self.split = data.train
        preparation = Preparation(
            prepare=registry.of(data.spec).preprocessing(data.spec), augment=Augment(transforms={}, mix=None)
        )
        self.task = ClassificationModule(
            model=model, num_classes=2, preparation=preparation, recipe=plain_recipe(), label_smoothing=0.0, **changes
        )
        self.optimizer: torch.optim.Optimizer = Rosenblatt(
            model.parameters(), lr=1.0, weight_decay=0.0, criterion="perceptron"
        )

    def step(self, *rows: int) -> None:
        self.optimizer.zero_grad()
        self.task.step(self.split.read(np.array(rows)), 0, training=True).loss.backward()
        self.optimizer.step()

    def outputs(self, *rows: int) -> Tensor:
        """(B, 2): which units fire."""
        with torch.no_grad():
            return self.task(*self.split.read(np.array(rows)).inputs) > 0

    def accuracy(self) -> float:
        _, correct, count = self.task.step(self.split.read(np.arange(4)), 0, training=False).sums.tolist()
        return correct / count


def weights_of(model: Perceptron) -> Tensor:
    """(2, 3): of each unit the two weights and the bias."""
    return torch.cat([model.head.weight, model.head.bias[:, None]], dim=1).detach().clone()


def test_a_step_is_the_rule() -> None:
    """w += lr * (target - output) * x for each unit, from weights that are right for some and wrong for others."""
    training = Training("and", Perceptron(**PAIR), criterion="perceptron")
    model = training.task.model
    with torch.no_grad():
        model.head.weight.copy_(torch.tensor([[0.5, -2.0], [1.0, 1.5]]))
        model.head.bias.copy_(torch.tensor([0.25, -0.5]))
    moved = []
    for row, (first, second) in enumerate(INPUTS.tolist()):
        before = weights_of(model)
        x = torch.tensor([first, second, 1.0])
        label = TABLES["and"][row]
        for unit in range(2):
            output = float(before[unit] @ x > 0)
            before[unit] += (float(label == unit) - output) * x
        moved.append(not torch.equal(before, weights_of(model)))
        training.step(row)
        torch.testing.assert_close(weights_of(model), before, atol=0, rtol=0)
    assert any(moved)
    assert not all(moved)


@pytest.mark.parametrize(("function", "separator"), [("and", (2.0, 2.0, -3.0)), ("or", (2.0, 2.0, -1.0))])
@pytest.mark.parametrize("seed", range(5))
def test_mistakes_stay_below_novikoffs_bound(function: str, separator: tuple[float, ...], seed: int) -> None:
    """At most (R / margin)^2 of them for a unit that starts from 0: inputs of length up to sqrt(3), the 1 of the bias
    included, and the margin of the best plane, 1 / sqrt(17) for AND and 1 / sqrt(9) for OR."""
    plane = torch.tensor(separator)
    inputs = torch.cat([torch.from_numpy(INPUTS).float(), torch.ones(4, 1)], dim=1)
    signs = 2 * torch.tensor(TABLES[function]) - 1
    margin = float((signs * (inputs @ plane)).min() / plane.norm())
    bound = 3 / margin**2
    assert bound == pytest.approx({"and": 51, "or": 27}[function])

    training = Training(function, Perceptron(**PAIR), criterion="perceptron")
    random, mistakes = np.random.default_rng(seed), np.zeros(2)
    for _ in range(30):
        for row in random.permutation(4).tolist():
            wanted = np.arange(2) == TABLES[function][row]
            mistakes += training.outputs(row)[0].numpy() != wanted
            training.step(row)
    assert 0 < mistakes.max() <= bound
    assert training.accuracy() == 1.0
    assert training.outputs(0, 1, 2, 3)[:, 1].int().tolist() == list(TABLES[function])


def test_one_layer_cannot_learn_xor_and_two_can() -> None:
    training = Training("xor", Perceptron(**PAIR), criterion="perceptron")
    best, largest = 0.0, 0.0
    for _ in range(200):
        for row in range(4):
            training.step(row)
        best, largest = max(best, training.accuracy()), max(largest, float(weights_of(training.task.model).abs().max()))
    assert best <= 0.75
    assert largest < 10  # it goes round in circles (the perceptron cycling theorem)

    torch.manual_seed(0)
    training = Training("xor", MLP(**PAIR, hidden=[8]))
    training.optimizer = torch.optim.Adam(training.task.parameters(), lr=0.05)
    for _ in range(100):
        training.step(0, 1, 2, 3)
    assert training.accuracy() == 1.0


def test_another_criterion_is_refused() -> None:
    with pytest.raises(RequestError, match=r"optimizer.criterion=hinge: .*\nUse optimizer=sgd"):
        Rosenblatt([nn.Parameter(torch.zeros(1))], lr=1.0, weight_decay=0.0, criterion="hinge")
    with pytest.raises(RequestError, match=r"lr is -1"):
        Rosenblatt([nn.Parameter(torch.zeros(1))], lr=-1, weight_decay=0.0, criterion="perceptron")
