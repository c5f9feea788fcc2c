"""Which parameters get which learning rate and which weight decay."""

import math
from typing import Any

from torch import nn

from sensorium.errors import RequestError

# Parameters with two or more dimensions that still act as a bias or a scale. The names are those of this project,
# of torchvision and of timm; ViT (2010.11929), DeiT and ConvNeXt leave these out of weight decay too.
_NEVER_DECAYED = ("pos_embed", "cls_token", "class_token", "position", "layer_scale")


def check_number(name: str, value: float, *, low: float = 0.0, most: float = math.inf, below: float = math.inf) -> None:
    """Raise RequestError unless value is a number with low <= value <= most and value < below."""
    if isinstance(value, int | float) and low <= value <= most and value < below:
        return
    upper = f" and below {below:g}" if below < math.inf else f" and at most {most:g}" if most < math.inf else ""
    raise RequestError(f"{name} is {value!r}; it must be a number of at least {low:g}{upper}.")


def _is_decayed(name: str, ndim: int) -> bool:
    return ndim > 1 and not any(part in name for part in _NEVER_DECAYED)


def parameter_groups(
    model: nn.Module, *, lr: float, weight_decay: float, backbone_lr_scale: float = 1.0
) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimizer, at most four, always in the same order.

    "head.*" are the parameters under the attribute `head` and get lr, "backbone.*" are all others and get
    lr * backbone_lr_scale. "*.decay" get weight_decay; "*.no_decay" (biases, norm weights and other parameters with at
    most one dimension, position embeddings, class tokens) get none. Frozen parameters are left out, and so are groups
    without parameters. Each group has its `name`. A model that has no parameters at all gets one empty group: a step
    then changes nothing.

    Errors: RequestError for a negative rate and for a model all of whose parameters are frozen.
    """
    check_number("optimizer.lr", lr)
    check_number("optimizer.weight_decay", weight_decay)
    check_number("backbone_lr_scale", backbone_lr_scale)
    members: dict[str, list[nn.Parameter]] = {
        "backbone.decay": [],
        "backbone.no_decay": [],
        "head.decay": [],
        "head.no_decay": [],
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            part = "head" if name.split(".")[0] == "head" else "backbone"
            kind = "decay" if _is_decayed(name, parameter.ndim) else "no_decay"
            members[f"{part}.{kind}"].append(parameter)
    groups = [
        {
            "name": name,
            "params": parameters,
            "lr": lr if name.startswith("head") else lr * backbone_lr_scale,
            "weight_decay": 0.0 if name.endswith("no_decay") else weight_decay,
        }
        for name, parameters in members.items()
        if parameters
    ]
    if not groups and next(model.parameters(), None) is not None:
        raise RequestError("There is nothing to train: every parameter of the model is frozen.")
    return groups or [{"name": "head.no_decay", "params": [], "lr": lr, "weight_decay": 0.0}]
