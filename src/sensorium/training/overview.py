"""The data before training, as a short table: examples, classes and lengths of every split."""

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from sensorium import output
from sensorium.data.base import SPLITS, Data
from sensorium.tasks import registry
from sensorium.tasks.base import SplitFacts

_MOST_CLASSES = 6  # that are shown one by one
_FREQUENT, _RARE = 3, 2  # of more, so many of each

Facts = Mapping[str, SplitFacts]


def facts_of(data: Data) -> Facts:
    """What the task tells about each split."""
    task = registry.of(data.spec)
    return {name: task.facts(getattr(data, name), data.spec) for name in SPLITS}


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
    counted = facts["train"].counted
    return output.table(records, title=f"{counted} of each class" if counted != "examples" else "")


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
