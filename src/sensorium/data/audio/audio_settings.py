"""Settings of datasets of recordings."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from sensorium.audio.features import Features
from sensorium.data.settings import Settings, check_counts
from sensorium.data.text.text_settings import TokenizerSettings
from sensorium.errors import RequestError, unknown
from sensorium.randomness import generator

Cache = Literal["samples", "features", "none"]


@dataclass(frozen=True, kw_only=True)
class AudioSettings(Settings):
    """sample_rate: hertz everything is resampled to; None for that of the first training file. features: arguments of
    `Features`, without the rate. cache: "samples" keeps everything decoded, "features" keeps the features (augmentation
    of samples is then not possible), "none" reads the files at each batch. min_seconds, max_seconds: what is shorter or
    longer is a problem; None for no limit.
    """

    sample_rate: int | None
    features: Mapping[str, Any]
    cache: Cache
    min_seconds: float | None
    max_seconds: float | None

    def check(self) -> None:
        super().check()
        if self.sample_rate is not None and (type(self.sample_rate) is not int or self.sample_rate <= 0):
            raise RequestError(f"dataset.sample_rate={self.sample_rate}: give hertz such as 16000, or null.")
        if self.cache not in get_args(Cache):
            raise unknown("cache", str(self.cache), get_args(Cache))
        self._check_seconds()
        allowed = [name for name in inspect.signature(Features).parameters if name not in ("self", "sample_rate")]
        for key in self.features:
            if key not in allowed:
                raise unknown("key in dataset.features", str(key), allowed)

    def _check_seconds(self) -> None:
        least, most = self.min_seconds, self.max_seconds
        for key, value in (("min_seconds", least), ("max_seconds", most)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
                raise RequestError(f"dataset.{key}={value}: give seconds such as 0.5, or null for no limit.")
        if least is not None and most is not None and least >= most:
            raise RequestError(f"dataset.min_seconds={least} is not below dataset.max_seconds={most}.")

    @property
    def rate(self) -> int:
        """sample_rate, of recordings that are synthesized: RequestError when it is left to the data."""
        if self.sample_rate is None:
            raise RequestError("dataset.sample_rate=null: synthetic audio has no rate of its own. Give hertz: 8000.")
        return self.sample_rate


@dataclass(frozen=True, kw_only=True)
class SpeechSettings(AudioSettings, TokenizerSettings):
    """language_model: words of the n-grams that are counted in the training transcripts, 0 for none."""

    language_model: int

    def check(self) -> None:
        super().check()
        if type(self.language_model) is not int or self.language_model < 0:
            raise RequestError(f"dataset.language_model={self.language_model}: give a number of words such as 3, or 0.")


@dataclass(frozen=True, kw_only=True)
class DrawnAudio(Settings):
    """Of synthetic recordings. train_size, val_size, test_size: how many each split has. data_seed: which are drawn."""

    train_size: int
    val_size: int
    test_size: int
    data_seed: int

    def check(self) -> None:
        super().check()
        check_counts(train_size=self.train_size, val_size=self.val_size, test_size=self.test_size)

    @property
    def counts(self) -> dict[str, int]:
        """How many recordings each split has."""
        return {"train": self.train_size, "val": self.val_size, "test": self.test_size}

    def draws(self) -> dict[str, list[np.random.Generator]]:
        """What each recording of each split is drawn with: number 17 is the same however many there are."""
        return {
            split: [generator(self.data_seed, number, row) for row in range(count)]
            for number, (split, count) in enumerate(self.counts.items())
        }
