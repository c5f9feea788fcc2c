"""Fewer labels: some of every class are kept, and the others are dropped or hidden."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sensorium.batches import IGNORED
from sensorium.data.base import Data, counted
from sensorium.errors import RequestError, listing
from sensorium.randomness import generator

_KEY = 20200121  # so that no other choice made from the same seed is this one


def keep(split: Any, per_class: int, seed: int, class_names: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Rows that keep their label, `per_class` of every class, and rows that do not; both in the order of the split.

    Of one seed, those kept for a smaller number are among those kept for a larger one.

    Raises RequestError when a class has fewer examples.
    """
    classes = np.arange(len(class_names)) if len(class_names) else np.unique(split.labels)
    counts = np.bincount(split.labels, minlength=len(class_names))[classes]
    if counts.min() < per_class:
        short = [f"{class_names[c] if len(class_names) else c} has {n}" for c, n in zip(classes, counts, strict=True)]
        few = [text for text, n in zip(short, counts, strict=True) if n < per_class]
        raise RequestError(
            f"labels_per_class={per_class} exceeds the training examples per class: {listing(few, 5)}.\n"
            f"Allowed: 1 to {counts.min()}, or null for all labels."
        )
    kept = [
        generator(seed, _KEY, label).permutation(np.flatnonzero(split.labels == label))[:per_class]
        for label in classes.tolist()
    ]
    rows = np.sort(np.concatenate(kept))
    return rows, np.setdiff1d(np.arange(len(split)), rows)


def with_few_labels(data: Data, *, per_class: int, seed: int, hide: bool) -> Data:
    """The data with labels of `per_class` training examples of each class; validation and test are as they were.

    hide: keep the other training examples, with IGNORED for a label, instead of leaving them out.
    """
    names = data.spec.classes
    labelled, others = keep(data.train, per_class, seed, names)
    if hide:
        labels = data.train.labels.copy()
        labels[others] = IGNORED
        train, fate = replace(data.train, labels=labels), "without their label"
    else:
        train, fate = data.train.subset(labelled), "not used"
    note = (
        f"labels: {counted(len(labelled), 'training example')}, {per_class} per class (labels_seed {seed});"
        f" {len(others):,} others {fate}"
    )
    return replace(data, train=train, notes=(*data.notes, note))
