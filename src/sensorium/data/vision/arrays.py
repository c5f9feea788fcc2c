"""Datasets that are published as arrays: small enough for memory, used as published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sensorium.data.base import Data, OnBad, check_on_bad
from sensorium.data.hold_out import hold_out
from sensorium.data.settings import HoldOutVal
from sensorium.data.vision.image_settings import ImageSettings
from sensorium.data.vision.splits import ImageSplit
from sensorium.data.vision.store import ArrayStore, image_fields
from sensorium.errors import unknown
from sensorium.specs import ImageClassificationSpec


@dataclass(frozen=True)
class LabeledArray:
    """Images with their classes. pixels: (N, C, H, W) uint8. labels: (N,) int64. name: as in "digits[17]"."""

    name: str
    pixels: np.ndarray
    labels: np.ndarray

    @property
    def names(self) -> list[str]:
        """Of each image."""
        return [f"{self.name}[{row}]" for row in range(len(self.labels))]


@dataclass(frozen=True, kw_only=True)
class ArraySettings(ImageSettings, HoldOutVal):
    """What `array_classes` needs to know."""


@dataclass(frozen=True, kw_only=True)
class PublishedArrays(ArraySettings):
    """name: of a data set that is one of `variants`. root: the folder of its files; None where it is usually kept.
    download: whether it may be fetched.
    """

    task = "classification"
    variants: ClassVar[Mapping[str, Any]]

    name: str
    root: str | None
    download: bool

    def check(self) -> None:
        super().check()
        if self.name not in self.variants:
            raise unknown("data set of this kind", self.name, self.variants)


def array_classes(
    examples: LabeledArray,
    test: LabeledArray | None,
    class_names: Sequence[str],
    settings: ArraySettings,
    *,
    on_bad: OnBad,
) -> Data:
    """The three splits: test as published, or held out like val, by class.

    Which examples are held out depends on split_seed alone, not on the seed of a training.
    """
    check_on_bad(on_bad)
    fractions = {name: share for name, share in settings.fractions.items() if name == "val" or test is None}
    rows = hold_out(
        labels=examples.labels,
        keys=examples.names,
        fractions=fractions,
        seed=settings.split_seed,
        class_names=class_names,
    )
    splits: dict[str, Any] = {split: _split(examples, chosen, settings) for split, chosen in rows.items()}
    if test is not None:
        splits["test"] = _split(test, np.arange(len(test.labels)), settings)
    return Data(
        spec=ImageClassificationSpec(
            class_names=tuple(class_names), **image_fields(splits["train"].images, resize=settings.resize)
        ),
        **splits,
        notes=tuple(
            f"{split}: {len(rows[split]):,} examples held out by class (split_seed {settings.split_seed})"
            for split in fractions
        ),
    )


def _split(examples: LabeledArray, rows: np.ndarray, settings: ArraySettings) -> ImageSplit:
    store = ArrayStore(examples.pixels, image_size=settings.size, channels=settings.channels, resize=settings.resize)
    names = examples.names
    return ImageSplit(store.subset(rows), examples.labels[rows], [names[row] for row in rows.tolist()])
