"""Learning from fewer labels: what the group `learning` and `labels_per_class` make of data and task.

The usual way, learning=supervised, has no class of its own: it is the dataset's own task.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sensorium.build import instantiate, makes_classes
from sensorium.data.base import Data, Split
from sensorium.data.few_labels import with_few_labels
from sensorium.errors import RequestError
from sensorium.run_config import RunConfig
from sensorium.specs import Spec
from sensorium.tasks import registry
from sensorium.tasks.learning.semi_supervised import Method, SemiSupervised
from sensorium.tasks.preprocessing import Preparation
from sensorium.tasks.training_module import TaskModule

_REFERENCE, _CHUNK = (
    2000,
    250,
)  # labeled training examples that features are evaluated by, and how many are read at once


def with_labels(config: RunConfig, data: Data) -> Data:
    """The data with as many labels as the config leaves it. Raises RequestError for data that is not classified."""
    chosen, per_class = config.method, config.labels_per_class
    task = registry.of(data.spec)
    self_supervised = not makes_classes(config.learning)
    if chosen and not (task.self_supervised if self_supervised else task.strong_view):
        what = "images" if self_supervised else "images, texts or recordings"
        raise RequestError(
            f"{chosen} is for the classification of {what}, not for {data.spec}.\nSay learning=supervised."
        )
    if per_class is None:
        return data
    if task.strong_view is None:
        raise RequestError(f"labels_per_class is for classification; this data is {data.spec}. Leave it out.")
    return with_few_labels(data, per_class=per_class, seed=config.labels_seed, hide=chosen is not None)


def with_strong_view(config: RunConfig, spec: Spec) -> RunConfig:
    """The config with what suits the data for learning.strong=auto. Raises RequestError for what cannot be."""
    if config.method is None:
        return config
    if config.trace is not None:
        raise RequestError("debug=trace shows a step of supervised learning; set learning=supervised.")
    if config.method == "MeanTeacher" and not config.callbacks.get("ema"):
        raise RequestError("The mean teacher is the average of the weights. Set callbacks=ema.")
    if config.learning.get("strong") != "auto":
        return config
    strong = registry.of(spec).strong_view or {}
    if config.dataset.get("cache") == "features":  # there are no samples to change
        strong = {key: value for key, value in strong.items() if key != "waves"}
    return config.with_values("learning", strong=strong)


def build(config: RunConfig, data: Data, offered: dict[str, Any]) -> TaskModule:
    """The task of another way to learn. offered: what the dataset's own task would be given beside its section."""
    section = dict(config.learning)
    criterion = config.task.get("criterion", "cross_entropy")
    if criterion != "cross_entropy":
        raise RequestError(f"{config.method} supports only cross-entropy; set task.criterion=cross_entropy.")
    weak: Preparation = offered["preparation"]
    if getattr(weak.augment, "mix", None) is not None:
        raise RequestError(f"{config.method} cannot mix examples whose labels it does not know: take another augment.")
    chosen = section.pop("strong", None)
    strong = chosen and Preparation(
        prepare=weak.prepare, augment=_on_top(weak.augment, instantiate("learning.strong", chosen), data.spec)
    )
    extra = {
        "strong": strong,
        "label_smoothing": config.task.get("label_smoothing", 0.0),
        "example": data.spec.example(),
        "reference": lambda: _labelled(data.train),
    }
    built = instantiate("learning", section, **offered, **extra)
    if not isinstance(built, Method):
        return built
    mine = ("model", "num_classes", "preparation", "recipe", "class_weights")
    return SemiSupervised(**{key: offered[key] for key in mine}, label_smoothing=extra["label_smoothing"], method=built)


def _on_top(weak: Any, strong: Any, spec: Spec) -> Any:
    """An augmentation that does what the weak one does, and then what the strong one does."""
    if getattr(strong, "takes", None) != registry.of(spec).augmentation:
        raise RequestError(f"learning.strong is for {getattr(strong, 'takes', 'nothing')}, not for {spec}.")
    if getattr(strong, "mix", None) is not None:
        raise RequestError("learning.strong cannot mix two examples: remove its mix.")
    parts = [name for name in ("transforms", "waves", "features") if hasattr(strong, name)]
    settings = {
        name: [*(getattr(weak, name).values() if weak.active else ()), *getattr(strong, name).values()]
        for name in parts
    }
    return type(strong)(**settings, **({"mix": None} if hasattr(strong, "mix") else {}))


def _labelled(split: Split) -> Iterator[Any]:
    """Batches of the first labeled training examples, spread over the split."""
    rows = np.flatnonzero(split.labels >= 0)  # type: ignore[attr-defined]
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _REFERENCE)).astype(int)]
    for start in range(0, len(rows), _CHUNK):
        yield split.read(rows[start : start + _CHUNK])
