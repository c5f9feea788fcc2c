"""debug=trace: the first step of a small net, number by number."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.data.vision.logic import Logic
from sensorium.errors import RequestError
from sensorium.models.vision.mlp import MLP
from sensorium.nn.spiking import spike
from sensorium.tasks import registry
from sensorium.tasks.classification.module import ClassificationModule
from sensorium.tasks.preprocessing import Preparation
from sensorium.training import settings, trace
from sensorium.vision.augment import Augment
from trainings import config_of, data_of, model_for

PAIR = {"in_channels": 1, "num_classes": 2, "image_size": (1, 2)}


def task_of(model: nn.Module) -> tuple[ClassificationModule, Any]:
    """On the example 1 xor 1, of class 0, in float64."""
    data = Logic(function="xor").load(on_bad="fail")
    preparation = Preparation(
        prepare=registry.of(data.spec).preprocessing(data.spec), augment=Augment(transforms={}, mix=None)
    )
    task = ClassificationModule(
        model=trace._without_overwriting(model),
        num_classes=2,
        preparation=preparation,
        recipe=plain_recipe(),
        label_smoothing=0.0,
    )
    return task.double().train(), data.train.read(np.array([3]))


def two_layers() -> MLP:
    """Hidden: 1*1 + 2*1 - 1 = 2 and 1*1 - 3*1 + 1 = -1, so 2 and 0; logits: 2*0.5 = 1 and -2*0.5 + 0.5 = -0.5."""
    model = MLP(**PAIR, hidden=[2])
    with torch.no_grad():
        model.layers[0].weight.copy_(torch.tensor([[1.0, 2.0], [1.0, -3.0]]))
        model.layers[0].bias.copy_(torch.tensor([-1.0, 1.0]))
        model.head.weight.copy_(torch.tensor([[0.5, 4.0], [-0.5, 4.0]]))
        model.head.bias.copy_(torch.tensor([0.0, 0.5]))
    return model


def test_forward_and_backward_by_hand() -> None:
    """The probability of class 1 is p = 1 / (1 + e^1.5): dL/dlogits = (-p, p), dL/dhidden = W'(-p, p) = (-p, 0)."""
    task, batch = task_of(two_layers())
    loss, found = trace.forward(task, batch)
    loss.backward()
    p = 1 / (1 + np.exp(1.5))
    values = {
        "input": ([1, 1], [-p, -2 * p]),
        "layers.0 Linear": ([2, -1], [-p, 0]),
        "layers.1 ReLU": ([2, 0], [-p, 0]),
        "head Linear": ([1, -0.5], [-p, p]),
    }
    assert [activation.name for activation in found] == list(values)
    for activation, (forward, backward) in zip(found, values.values(), strict=True):
        assert activation.values.flatten().tolist() == pytest.approx(forward)
        assert activation.values.grad.flatten().tolist() == pytest.approx(backward)
    assert loss.item() == pytest.approx(-np.log(1 - p))
    assert trace.check_gradients(task, batch).deviation < 1e-9


def test_a_wrong_gradient_is_found() -> None:
    task, batch = task_of(two_layers())
    trace.forward(task, batch)[0].backward()
    task.model.head.bias.grad[1] += 0.01
    before = [parameter.clone() for parameter in task.model.parameters()]
    found = trace.check_gradients(task, batch)
    assert found.deviation == pytest.approx(0.01, rel=1e-4)
    assert found.kinks == 0
    assert all(torch.equal(old, new) for old, new in zip(before, task.model.parameters(), strict=True))


def test_at_a_kink_the_gradient_lies_between_the_slopes() -> None:
    """A hidden value of 0, from both sides of which a weight can be moved."""
    model = two_layers()
    with torch.no_grad():
        model.layers[0].bias[0] = -3.0
    task, batch = task_of(model)
    trace.forward(task, batch)[0].backward()
    found = trace.check_gradients(task, batch)
    assert found.kinks == 3  # the two weights and the bias of that unit
    assert found.deviation < 1e-4


class Spiking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(spike(self.hidden(images.flatten(1)), slope=5.0))


def test_a_surrogate_is_no_derivative() -> None:
    torch.manual_seed(0)
    task, batch = task_of(Spiking())
    trace.forward(task, batch)[0].backward()
    assert trace.check_gradients(task, batch).deviation > 0.01


def shown(*overrides: str) -> str:
    config = config_of("dataset=logic", "debug=trace", "accelerator=cpu", "workers=0", *overrides)
    data = data_of(config)
    lines: list[str] = []
    model = model_for(config, data.spec)
    config = settings.resolve(config, data=data, model=model, say=lines.append)
    trace.show(config, data=data, model=model, say=lines.append)
    return "\n".join(lines)


def test_the_update_shown_is_that_of_the_optimiser() -> None:
    text = shown(
        "model.hidden=[2]", "optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false",
        "optimizer.weight_decay=0", "lr=0.5",
    )  # fmt: skip
    assert text.startswith("\nfirst step on 1 xor 1, of class 0, in float64\n")
    assert "UPDATE by SGD, lr 0.5\n" in text
    blocks = dict(re.findall(r"^(\S+: \w+) \(.*\)\n((?: .*\n?)+)", text, re.MULTILINE))
    names = ["layers.0.weight", "layers.0.bias", "head.weight", "head.bias"]
    assert [name for name in blocks if name.endswith("update")] == [f"{name}: update" for name in names]
    for name in names:
        gradient, update = (np.array(blocks[f"{name}: {what}"].split(), float) for what in ("gradient", "update"))
        np.testing.assert_allclose(update, -0.5 * gradient, rtol=1e-3)
    assert re.search(r"^CHECK: 12 gradients .*: largest deviation \d\.\de-1\d, they agree$", text, re.MULTILINE)


def test_the_perceptron_rule_by_number() -> None:
    text = shown("model=perceptron", "optimizer=rosenblatt", "dataset.function=and")
    assert "UPDATE by Rosenblatt, lr 1\n" in text
    update = text[text.index("head.weight: update") :].splitlines()
    assert [line.split() for line in update[1:3]] == [["0", "0"], ["1", "1"]]


def test_what_the_update_is_computed_with_is_said() -> None:
    """As much as it takes to compute it again: the first step of Nesterov's momentum is (1 + momentum) gradients."""
    text = shown("model.hidden=[2]", "optimizer=sgd", "model.layer_lr_decay=0.5", "trainer.gradient_clip_val=0.1")
    said = (
        "UPDATE by SGD, lr 0.025 or 0.05, momentum 0.9, weight_decay 0.0005 or 0, nesterov, gradients clipped to a norm"
    )
    assert f"{said} of at most 0.1\n" in text
    assert "CHECK: 12 gradients" in text
    text = shown("model.hidden=[2]", "optimizer=lion", "model.unfreeze_epochs=1")
    assert "\nUPDATE by Lion, lr 0.0007, weight_decay 0.15 or 0, betas [0.9, 0.99]\nhead.weight: value" in text
    assert "CHECK: 6 gradients" in text


def test_dropout_and_every_step_of_a_spiking_net_are_shown() -> None:
    assert "\nlayers.2 Dropout (4)\n" in shown("model.hidden=[4]", "model.dropout=0.5")
    assert "Dropout" not in shown("model.hidden=[4]")
    text = shown("dataset=digits", "model=spiking_cnn", "model.width=1", "model.steps=3")
    assert "\nlayers.0.neurons LeakyIntegrateAndFire (3x1x1x8x8)\n" in text


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(RequestError, match="2,000 at most, and mlp has 67,074"):
        shown()
    with pytest.raises(RequestError, match="threshold_unit has no trainable parameters"):
        shown("model=threshold_unit")
    with pytest.raises(RequestError, match="the training rows are 0 to 3"):
        shown("model=perceptron", "trace=4")
