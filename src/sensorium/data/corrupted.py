"""Splits whose inputs are corrupted when they are read: raw images, texts and waveforms, before any preprocessing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.audio import corruptions as of_audio
from sensorium.data.rows import Ragged, Source
from sensorium.data.text.texts import TextWriter
from sensorium.data.text.tokens import TokenStore, encode_texts
from sensorium.errors import RequestError
from sensorium.randomness import fold
from sensorium.text import corruptions as of_text
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.vision import corruptions as of_images

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """A kind of corruption of a split. what: its setting, in words. setting: by severity. split: by severity and seed,
    the same examples, corrupted.
    """

    kind: str
    what: str
    setting: Callable[[int], float]
    split: Callable[[int, int], Any]


class CorruptedImages(Source):
    """Images (C, H, W) uint8 of another source, corrupted one by one."""

    def __init__(self, source: Source, kind: str, severity: int, *, seed: int) -> None:
        self._source, self._kind, self._severity, self._seed = source, kind, severity, seed
        self.shape = source.shape

    def __len__(self) -> int:
        return len(self._source)

    def read(self, rows: np.ndarray) -> np.ndarray:
        images = self._source.read(rows)
        found = [
            of_images.corrupted(image, self._kind, self._severity, seed=fold(self._seed, row))
            for image, row in zip(images, rows.tolist(), strict=True)
        ]
        return np.stack(found)


class CorruptedAudio(Ragged):
    """Waveforms (N,) float32 of another source, corrupted one by one."""

    def __init__(self, source: Source, kind: str, severity: int, *, sample_rate: int, seed: int) -> None:
        self._source, self._kind, self._severity, self._rate, self._seed = source, kind, severity, sample_rate, seed
        self.shape = source.shape

    def __len__(self) -> int:
        return len(self._source)

    def at(self, row: int) -> np.ndarray:
        (samples,) = self._source.read(np.array([row]))
        return of_audio.corrupted(
            samples, self._kind, self._severity, sample_rate=self._rate, seed=fold(self._seed, row)
        )


def image_corruptions(source: Source, with_images: Callable[[Source], Any]) -> tuple[Corruption, ...]:
    """with_images: a split of the same examples with other images. Raises RequestError for images of more bits."""
    _, height, width = source.shape
    found = source.read(np.zeros(1, dtype=np.int64)).dtype
    if found != np.uint8:
        raise RequestError(f"corrupt works on images of 8 bits a channel; these are {found}.")

    def of(kind: str, what: str) -> Corruption:
        return Corruption(
            kind,
            what,
            lambda severity: of_images.setting(kind, severity, size=(height, width)),
            lambda severity, seed: with_images(CorruptedImages(source, kind, severity, seed=seed)),
        )

    return tuple(of(*one) for one in of_images.KINDS.items())


def audio_corruptions(
    source: Source, features: Mapping[str, Any], with_audio: Callable[[Source], Any]
) -> tuple[Corruption, ...]:
    """features: of the spec. with_audio: a split of the same examples with other waveforms.

    Raises RequestError for recordings that are kept as features.
    """
    if source.shape:
        raise RequestError("corrupt works on waveforms, and this data is kept as features. Add dataset.cache=samples.")
    rate = int(features["sample_rate"])

    def of(kind: str, what: str) -> Corruption:
        return Corruption(
            kind,
            what,
            lambda severity: of_audio.setting(kind, severity),
            lambda severity, seed: with_audio(CorruptedAudio(source, kind, severity, sample_rate=rate, seed=seed)),
        )

    return tuple(of(*one) for one in of_audio.KINDS.items())


def text_corruptions(
    texts: Sequence[str],
    tokenizer: Mapping[str, Any],
    max_length: int,
    with_texts: Callable[[Sequence[str], TokenStore], Any],
    *,
    never_empty: bool = True,
) -> tuple[Corruption, ...]:
    """tokenizer: `Tokenizer.to_dict()`. max_length: tokens that are kept. with_texts: a split of the same examples with
    other texts and their tokens. never_empty: as of `encode_texts`.
    """

    def split(kind: str, severity: int, seed: int) -> Any:
        writer = TextWriter()
        for row, text in enumerate(texts):
            writer.add(of_text.corrupted(text, kind, severity, seed=fold(seed, row)))
        found = writer.finish()
        tokens = encode_texts(
            found, tokenizer_from_dict(dict(tokenizer)), max_length=max_length, never_empty=never_empty
        )
        return with_texts(found, tokens)

    def of(kind: str, what: str) -> Corruption:
        return Corruption(
            kind,
            what,
            lambda severity: of_text.setting(kind, severity),
            lambda severity, seed: split(kind, severity, seed),
        )

    return tuple(of(*one) for one in of_text.KINDS.items())
