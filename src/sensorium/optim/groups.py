"""Parameter groups: learning rate and weight decay of each."""

import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.optim.stages import stages

# Parameters with two or more dimensions that still act as a bias or a scale. The names are those of this project,
# of torchvision and of timm; ViT (2010.11929), DeiT and ConvNeXt leave these out of weight decay too.
_NEVER_DECAYED = ("pos_embed", "cls_token", "class_token", "position", "layer_scale")
_KINDS = ("decay", "embedding", "no_decay")


def check_number(name: str, value: float, *, low: float = 0.0, most: float = math.inf, below: float = math.inf) -> None:
    """Raise RequestError unless value is a number with low <= value <= most and value < below."""
    if isinstance(value, int | float) and low <= value <= most and value < below:
        return
    upper = f" and below {below:g}" if below < math.inf else f" and at most {most:g}" if most < math.inf else ""
    raise RequestError(f"{name} is {value!r}; it must be a number of at least {low:g}{upper}.")


def _kind(name: str, parameter: nn.Parameter, tables: set[Tensor]) -> str:
    if parameter.ndim < 2 or any(part in name for part in _NEVER_DECAYED):
        return "no_decay"
    return "embedding" if parameter in tables else "decay"


def parameter_groups(
    model: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    backbone_lr_scale: float = 1.0,
    layer_lr_decay: float | None = None,
) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimizer, always in the same order.

    "head.*" are the parameters under the attribute `head` and get lr, "backbone.*" are all others and get
    lr * backbone_lr_scale. "*.decay" and "*.embedding" (the tables of `nn.Embedding`, whose rows are vectors and not a
    map from vectors to vectors, also where an output layer is tied to one) get weight_decay; "*.no_decay" (biases, norm
    weights and other parameters with at most one dimension, position embeddings, class tokens) get none. Frozen
    parameters are omitted, and so are groups without parameters. Each group has its `name`. A model that has no
    parameters at all gets one empty group: a step then changes nothing.

    layer_lr_decay: what each of the model's `stages` learns at, as a share of the rate of the one after it (as in
    ULMFiT, Howard and Ruder 2018, 1801.06146, and BEiT, 2106.08254). Each stage then has its own groups,
    "backbone.STAGE.*"; backbone_lr_scale multiplies the rates of all but the head as before.

    Errors: RequestError for a negative rate, a share above 1, and for a model all of whose parameters are frozen.
    """
    check_number("optimizer.lr", lr)
    check_number("optimizer.weight_decay", weight_decay)
    check_number("model.backbone_lr_scale", backbone_lr_scale)
    if layer_lr_decay is not None:
        check_number("model.layer_lr_decay", layer_lr_decay, most=1.0)
    groups: list[dict[str, Any]] = []
    names = {parameter: name for name, parameter in model.named_parameters()}
    tables = {module.weight for module in model.modules() if isinstance(module, nn.Embedding)}
    for part, rate, parameters in _parts(model, lr, lr * backbone_lr_scale, layer_lr_decay):
        for kind in _KINDS:
            chosen = [
                parameter
                for parameter in parameters
                if parameter.requires_grad and _kind(names[parameter], parameter, tables) == kind
            ]
            decay = 0.0 if kind == "no_decay" else weight_decay
            if chosen:
                groups.append({"name": f"{part}.{kind}", "params": chosen, "lr": rate, "weight_decay": decay})
    if not groups and names:
        raise RequestError("There is nothing to train: every parameter of the model is frozen.")
    return groups or [{"name": "head.no_decay", "params": [], "lr": lr, "weight_decay": 0.0}]


def _parts(
    model: nn.Module, lr: float, backbone_lr: float, layer_lr_decay: float | None
) -> Iterator[tuple[str, float, list[nn.Parameter]]]:
    """Name, learning rate and parameters of what learns at one rate, the head last."""
    if layer_lr_decay is None:
        members: dict[str, list[nn.Parameter]] = {"backbone": [], "head": []}
        for name, parameter in model.named_parameters():
            members["head" if name.split(".")[0] == "head" else "backbone"].append(parameter)
        yield "backbone", backbone_lr, members["backbone"]
        yield "head", lr, members["head"]
        return
    found = stages(model)
    for below, (name, parameters) in zip(reversed(range(len(found))), found.items(), strict=True):
        head = name == "head"
        yield "head" if head else f"backbone.{name}", (lr if head else backbone_lr) * layer_lr_decay**below, parameters
