"""debug=trace: every activation, gradient and update of a small network's first step on one image, by number.

Computed in float64, so that the gradients of backpropagation (D. Rumelhart, G. Hinton and R. Williams, "Learning
representations by back-propagating errors", Nature 323, 1986) can be held against finite differences of the loss.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.base import Data
from sensorium.errors import RequestError
from sensorium.initial import initialise_from_data
from sensorium.nn.flops import count_parameters
from sensorium.randomness import fold
from sensorium.run_config import RunConfig
from sensorium.specs import ImageClassificationSpec
from sensorium.tasks import registry
from sensorium.tasks.training_module import TaskModule
from sensorium.training.fit import build_task
from sensorium.training.unfreeze import from_the_head

MOST_WEIGHTS = 2000  # every one of them is printed, and perturbed twice
STEP = 1e-5  # by which a weight is perturbed
KINK = 1e-3  # slopes to the left and to the right that differ by more are not those of a smooth loss
_NO_SETTINGS = ("foreach", "fused", "decoupled_weight_decay")  # of an optimizer: how it computes, not what
AGREEMENT = 1e-6  # of gradient and difference, as a share of the largest gradient


class Activation(NamedTuple):
    """What a part of the network gave: its name, and the values (1, ...) with their gradient once backward has been."""

    name: str
    values: Tensor


class Check(NamedTuple):
    """deviation: largest distance of a gradient from the difference quotient. kinks: weights at which the loss bends
    sharply, whose gradient only has to lie between the slopes of the two sides.
    """

    deviation: float
    kinks: int


def show(config: RunConfig, *, data: Data, model: nn.Module, say: Callable[[str], None]) -> None:
    """Says it all, a line or a block of numbers at a time, for the row config.trace; the model is unchanged.

    Raises RequestError for a row that is not there, for a model with too many weights or none that learn, and for data
    other than images.
    """
    _check_small(config, data, model)
    model = _without_overwriting(copy.deepcopy(model))
    initialise_from_data(model, data.train, registry.of(data.spec).preprocessing(data.spec), seed=config.seed)
    if config.model.get("unfreeze_epochs") is not None:
        for _, parameters in from_the_head(model)[1:]:
            nn.ParameterList(parameters).requires_grad_(False)
    task = build_task(replace(config, memory_format="contiguous"), model, data).double().train()
    task.length = _length(config, data)
    row = np.array([config.trace], dtype=np.int64)
    batch = data.train.read(row)
    label = cast(ImageClassificationSpec, data.spec).class_names[int(batch.labels[0])]
    say(f"\nfirst step on {data.train.names[row[0]]}, of class {label}, in float64")

    loss, activations = forward(task, batch)
    say("\nFORWARD")
    for activation in activations:
        say(_block(activation.name, activation.values))
    say(f"loss {float(loss.detach()):.6g}")
    loss.backward()
    say("\nBACKWARD: dL/d of")
    for activation in reversed(activations):
        say(_block(activation.name, activation.values.grad))
    _show_updates(config, task, say, check=check_gradients(task, batch))


def forward(task: TaskModule, batch: Any) -> tuple[Tensor, list[Activation]]:
    """The training loss, (), and what every part of the network gave on the way, in order, the prepared input first."""
    found: list[Activation] = []

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            values = output[0] if isinstance(output, tuple) else output
            if values.requires_grad:
                values.retain_grad()
            else:
                values.requires_grad_()  # the input
            found.append(Activation(name, values))

        return hook

    parts = [
        (f"{name} {type(part).__name__}", part)
        for name, part in task.model.named_modules()
        if not any(part.children()) and not isinstance(part, nn.Identity) and getattr(part, "p", None) != 0  # dropout
    ]
    hooks = [part.register_forward_hook(keep(name)) for name, part in [("input", task.preparation), *parts]]
    try:
        loss = _loss(task, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return loss, found


def check_gradients(task: TaskModule, batch: Any) -> Check:
    """The gradients of all weights against differences of the loss, each weight perturbed up and down."""
    deviation, kinks = 0.0, 0
    with torch.no_grad():
        middle = float(_loss(task, batch))
        for parameter in task.model.parameters():
            if parameter.grad is None:
                continue
            weights, gradients = parameter.view(-1), parameter.grad.reshape(-1).tolist()
            for number, gradient in enumerate(gradients):
                before = weights[number].clone()
                weights[number] = before + STEP
                right = (float(_loss(task, batch)) - middle) / STEP
                weights[number] = before - STEP
                left = (middle - float(_loss(task, batch))) / STEP
                weights[number] = before
                low, high = (left + right) / 2, (left + right) / 2
                if abs(right - left) > KINK:
                    low, high, kinks = min(left, right), max(left, right), kinks + 1
                deviation = max(deviation, low - gradient, gradient - high)
    return Check(deviation, kinks)


def _loss(task: TaskModule, batch: Any) -> Tensor:
    """With the same dropout as in training, every time."""
    torch.default_generator.manual_seed(fold(task.seed, 0, 0, 0))
    return task.step(batch, 0, training=True).loss


def _show_updates(config: RunConfig, task: TaskModule, say: Callable[[str], None], *, check: Check) -> None:
    """Value, gradient and update of all weights, and how far the gradients can be trusted."""
    learning = {name: weights for name, weights in task.model.named_parameters() if weights.grad is not None}
    before = {name: weights.detach().clone() for name, weights in learning.items()}
    gradients = {name: weights.grad.clone() for name, weights in learning.items()}
    optimizer = task.configure_optimizers()["optimizer"]
    clipped = _clip(dict(config.trainer), learning)
    optimizer.step()
    say(f"\nUPDATE by {type(optimizer).__name__}{_settings(optimizer)}{clipped}")
    for name, weights in learning.items():
        say(_block(f"{name}: value", before[name][None]))
        say(_block(f"{name}: gradient", gradients[name][None]))
        say(_block(f"{name}: update", (weights.detach() - before[name])[None]))
    count = sum(weights.numel() for weights in learning.values())
    largest = max(float(gradient.abs().max()) for gradient in gradients.values())
    agree = check.deviation <= AGREEMENT * max(1.0, largest)
    kinks = f", {check.kinks:,} of them at a kink" if check.kinks else ""
    say(
        f"\nCHECK: {count:,} gradients against finite differences{kinks}: largest deviation {check.deviation:.1e}, "
        + ("they agree" if agree else "they do NOT agree: the gradient is a stand-in for the derivative, or wrong")
    )


def _clip(trainer: dict[str, Any], learning: dict[str, nn.Parameter]) -> str:
    """Shortens the gradients as the training would, and says so."""
    limit = trainer["gradient_clip_val"]
    if limit is None:
        return ""
    if trainer.get("gradient_clip_algorithm") == "value":
        nn.utils.clip_grad_value_(learning.values(), limit)
        return f", gradients clipped to {limit:g}"
    nn.utils.clip_grad_norm_(learning.values(), limit)
    return f", gradients clipped to a norm of at most {limit:g}"


def _settings(optimizer: torch.optim.Optimizer) -> str:
    """What the update is computed with: the rate, and every other number that is not 0 and switch that is on."""
    shown = []
    for key in ("lr", *(key for key in optimizer.defaults if key not in ("lr", *_NO_SETTINGS))):
        values = [group[key] for group in optimizer.param_groups]
        said = dict.fromkeys(f"{value:g}" if isinstance(value, int | float) else str(value) for value in values)
        if values[0] is True:
            shown.append(key)
        elif any(values):
            shown.append(f"{key} {' or '.join(said)}")
    return "".join(f", {setting}" for setting in shown)


def _check_small(config: RunConfig, data: Data, model: nn.Module) -> None:
    name, weights = config.model_name, count_parameters(model)
    advice = "Use model=mlp model.hidden=[8], or model=perceptron."
    if not registry.of(data.spec).traceable:
        raise RequestError("debug=trace works for image classification only, such as dataset=logic and dataset=digits.")
    if (config.trace or 0) >= len(data.train):
        raise RequestError(f"trace={config.trace}: the training rows are 0 to {len(data.train) - 1:,}.")
    if weights > MOST_WEIGHTS:
        raise RequestError(
            f"debug=trace prints every weight: {MOST_WEIGHTS:,} at most, and {name} has {weights:,}.\n{advice}"
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RequestError(f"debug=trace shows a training step, and {name} has no trainable parameters.\n{advice}")


def _without_overwriting(model: nn.Module) -> nn.Module:
    """The model with no activation written over the values it is computed from: both are to be shown."""
    for part in model.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    return model


def _length(config: RunConfig, data: Data) -> tuple[float, int]:
    """Steps of the training that this one would begin, all and of an epoch: a schedule needs to know."""
    trainer = config.trainer
    batches = math.ceil(len(data.train) / config.step_size)
    per_epoch = math.ceil(batches / int(trainer["accumulate_grad_batches"]))
    epochs, limit = trainer["max_epochs"], trainer["max_steps"]
    total = math.inf if epochs == -1 else epochs * per_epoch
    return (total if limit == -1 else min(total, limit)), per_epoch


def _block(name: str, values: Tensor | None) -> str:
    """A name with its shape, and the numbers of the one example, (1, ...) or (steps, ...), below."""
    if values is None:
        return f"{name}: none"
    # Of a network that looks at its image for several steps, all of them.
    numbers = (values[0] if len(values) == 1 else values).detach().numpy() + 0.0  # no -0
    shape = "x".join(map(str, numbers.shape)) or "1"
    rows = numbers.reshape(-1, numbers.shape[-1]) if numbers.ndim else numbers.reshape(1, 1)
    return "\n".join([f"{name} ({shape})", *(" ".join(f"{number:>11.4g}" for number in row) for row in rows)])
