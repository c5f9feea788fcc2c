"""What is about to be trained: two lines on data and model, and a table of examples, classes and lengths by split."""

from collections.abc import Mapping

import numpy as np
import torch
from rich.table import Table

from sensorium import output
from sensorium.data.base import SPLITS, Data, counted
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.tasks.base import SplitFacts

_MOST_CLASSES = 6  # that are shown one by one
_FREQUENT, _RARE = 3, 2  # of more, so many of each

Facts = Mapping[str, SplitFacts]


def facts_of(data: Data) -> Facts:
    """What the task tells about each split."""
    task = registry.of(data.spec)
    return {name: task.facts(getattr(data, name), data.spec) for name in SPLITS}


def summary(config: RunConfig, data: Data, model: torch.nn.Module) -> str:
    """What is about to happen, in two lines."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    sizes = " + ".join(f"{len(split):,}" for split in (data.train, data.val, data.test))
    layout = f"{config.memory_format}, " if registry.of(data.spec).uses_memory_format else ""
    scale = float(config.model["backbone_lr_scale"])
    backbone = f" (all but the head: {scale * config.peak_lr:g})" if scale != 1 and not config.model["freeze"] else ""
    last = config.trainer["max_epochs"]
    epochs = f", {counted(last, 'epoch')}" if last > 0 else ""
    tokens = f" of at most {config.batch_tokens:,} tokens" if config.batch_tokens else ""
    return (
        f"{config.dataset_name}: {sizes} {data.spec} (train + val + test)\n"
        f"{config.model_name}: {parameters:,} parameters, {config.trainer['precision']}, {layout}"
        f"lr {config.peak_lr:g}{backbone}, batch {config.batch_size}{tokens}{epochs}"
        + ("" if parameters else f"\n{config.model_name} has no trainable parameters: the epochs only evaluate it")
    )


def table(data: Data, facts: Facts) -> Table:
    """At most nine lines."""
    records: list[output.Record] = [{"": "examples"} | {name: f"{len(getattr(data, name)):,}" for name in SPLITS}]
    records += [
        {"": label} | {name: _shown(facts[name].classes[label]) if label else "" for name in SPLITS}
        for label in _chosen(facts["train"].classes)
    ]
    if left := len(facts["train"].classes) - sum(record[""] in facts["train"].classes for record in records[1:]):
        records.append({"": f"and {left} other classes"} | dict.fromkeys(SPLITS, ""))
    if facts["train"].lengths is not None:
        unit = facts["train"].unit
        records.append({"": f"{unit}, median (most)"} | {name: _lengths(facts[name]) for name in SPLITS})
    what = facts["train"].counted
    return output.table(records, title=f"{what} of each class" if what != "examples" else "")


def _chosen(classes: Mapping[str, int]) -> list[str]:
    """All classes when they are few, else the most frequent and the rarest, as they come in training."""
    if len(classes) <= _MOST_CLASSES:
        return list(classes)
    ordered = sorted(classes, key=lambda label: -classes[label])
    return [*ordered[:_FREQUENT], *ordered[-_RARE:]]


def _shown(count: int) -> str:
    return f"{count:,}"


def _lengths(facts: SplitFacts) -> str:
    if facts.lengths is None or not len(facts.lengths):
        return ""
    return f"{float(np.median(facts.lengths)):.3g} ({float(np.max(facts.lengths)):.3g})"
