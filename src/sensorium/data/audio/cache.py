"""Recordings decoded once, into a memory-mapped file that every later run reads.

An entry of SENSORIUM_CACHE/sounds keeps the samples or features one after another, where each recording lies, and
what was found while decoding.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile
import torch
import torchaudio

from sensorium.audio.features import Features
from sensorium.data.audio.listing import AudioListing, ShardAudio
from sensorium.data.audio.scan import Decoder, Facts
from sensorium.data.audio.store import AUDIO, Flat, FlatWriter
from sensorium.data.cache import key_of, packed_reasons, reasons
from sensorium.data.rows import Ragged, Window
from sensorium.data.shards.index import INDEX, INDEX_LIMIT

_FORMAT = 2
_LIMIT = 1 << 36  # bytes of all entries together
_FACTS = ("samples", "rates", "digests", "clipped")  # those that are arrays
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedAudio:
    """Recordings as they can be read, and what is known of them. Row i of both is recording i of the list."""

    source: Ragged
    facts: Facts


class _Files(Ragged):
    """Recordings decoded at each read."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def __len__(self) -> int:
        return len(self._decoder)

    @property
    def window(self) -> Window | None:
        return self._decoder.window

    def at(self, row: int) -> np.ndarray:
        return self._decoder.samples(row)


def decode_all(
    recordings: AudioListing, *, features: Mapping[str, Any], cache: str, max_seconds: float | None
) -> DecodedAudio:
    """Everything decoded, from the cache, which is filled first if needed.

    An entry belongs to the places, sizes and times of change of the files and to all settings, so that it is built
    again when one of them changes. Samples in memory are kept as they are, unless features are.

    features: arguments of `Features`. cache: "samples", "features", or "none" to read the files each time. Raises
    RunError when the cache cannot be written.
    """
    decoder = Decoder(recordings, sample_rate=int(features["sample_rate"]), max_seconds=max_seconds)
    in_memory = all(isinstance(recording.audio, int) for recording in recordings.recordings)
    if in_memory and cache != "features":
        return DecodedAudio(recordings.samples, decoder.scan())
    if cache == "none" and not isinstance(recordings, ShardAudio):
        return DecodedAudio(_Files(decoder), decoder.scan())
    if cache == "none":  # to read all shards takes long: what is known of their recordings is kept even so

        def look(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
            return _packed(decoder.scan())

        entry = INDEX.entry(_key(recordings, features, cache, max_seconds), look, limit=INDEX_LIMIT)
        return DecodedAudio(_Files(decoder), _unpacked(entry.facts))
    extractor = Features(**features).eval() if cache == "features" else None

    def build(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
        _log.info("decoding %s recordings into %s", f"{len(recordings):,}", AUDIO.home)
        writer = FlatWriter(file.write)
        return {**_packed(decoder.scan(writer.add, features=extractor)), **writer.where()}

    entry = AUDIO.entry(_key(recordings, features, cache, max_seconds), build, limit=_LIMIT)
    facts = entry.facts
    where = {name: facts[name] for name in ("starts", "lengths", "wide")}
    return DecodedAudio(
        Flat(entry.rows, **where, width=extractor.num_features if extractor else 0),
        _unpacked(facts),
    )


def _packed(facts: Facts) -> dict[str, np.ndarray]:
    """As an entry keeps them."""
    return {**{name: getattr(facts, name) for name in _FACTS}, "wrong": packed_reasons(facts.wrong)}


def _unpacked(facts: Mapping[str, np.ndarray]) -> Facts:
    """What `_packed` was given."""
    return Facts(wrong=reasons(facts["wrong"]), **{name: facts[name] for name in _FACTS})


def _key(recordings: AudioListing, features: Mapping[str, Any], cache: str, max_seconds: float | None) -> str:
    # The libraries are in it because another version may decode, resample or transform to other numbers.
    settings: list[Any] = [_FORMAT, soundfile.__libsndfile_version__, torchaudio.__version__, max_seconds]
    settings.append({key: value for key, value in features.items() if key == "sample_rate" or cache == "features"})
    if cache == "features":
        settings[-1].pop("normalise", None)  # which comes after
        settings.append(torch.__version__)
    return key_of(settings, recordings.sources())
