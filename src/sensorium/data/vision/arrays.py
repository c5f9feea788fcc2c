"""Data sets that are published as arrays: small enough for memory, taken as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.data.base import Data, OnBad, refuse
from sensorium.data.splits import hold_out
from sensorium.data.vision.store import (
    ArrayStore,
    Channels,
    ImageSplit,
    Subset,
    channel_statistics,
    check_settings,
    parse_size,
)
from sensorium.specs import ImageClassificationSpec, Resize


@dataclass(frozen=True)
class LabelledArray:
    """Pictures with their classes. pixels: (N, C, H, W) uint8. labels: (N,) int64. name: as in "digits[17]"."""

    name: str
    pixels: np.ndarray
    labels: np.ndarray


class ArraySettings:
    """What can be said about a data set of arrays, checked. `make` brings arrays into the form all data sets have."""

    def __init__(
        self,
        *,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        split_seed: int,
        val_fraction: float,
        test_fraction: float | None = None,
    ) -> None:
        fractions = {"val_fraction": val_fraction}
        if test_fraction is not None:
            fractions["test_fraction"] = test_fraction
        check_settings(resize=resize, channels=channels, **fractions)
        self._image_size, self._resize, self._channels = parse_size(image_size), resize, channels
        self._split_seed, self._fractions = split_seed, fractions

    def make(
        self, examples: LabelledArray, test: LabelledArray | None, class_names: Sequence[str], on_bad: OnBad
    ) -> Data:
        """The three parts: test as published, or held out like val.

        Which examples are held out depends on split_seed alone, not on the seed of a training.
        """
        refuse([], on_bad=on_bad)
        held_out = ("val",) if test else ("test", "val")
        parts = hold_out(
            labels=examples.labels,
            keys=_names(examples),
            fractions={part: self._fractions[f"{part}_fraction"] for part in held_out},
            seed=self._split_seed,
            class_names=class_names,
        )
        splits = {part: self._split(examples, rows) for part, rows in parts.items()}
        if test:
            splits["test"] = self._split(test, np.arange(len(test.labels)))
        mean, std = channel_statistics(splits["train"].images)
        channels, height, width = splits["train"].images.shape
        spec = ImageClassificationSpec(
            class_names=tuple(class_names),
            in_channels=channels,
            image_size=(height, width),
            mean=mean,
            std=std,
            resize=self._resize,
        )
        seed = self._split_seed
        return Data(
            spec=spec,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            notes=tuple(
                f"{part}: {len(parts[part]):,} examples held out by class (split_seed {seed})" for part in held_out
            ),
        )

    def _split(self, examples: LabelledArray, rows: np.ndarray) -> ImageSplit:
        store = ArrayStore(examples.pixels, image_size=self._image_size, channels=self._channels, resize=self._resize)
        names = _names(examples)
        return ImageSplit(Subset(store, rows), examples.labels[rows], [names[row] for row in rows])


def _names(examples: LabelledArray) -> list[str]:
    return [f"{examples.name}[{row}]" for row in range(len(examples.labels))]
