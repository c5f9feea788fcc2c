"""Recordings decoded once, into a memory-mapped file that every later run reads.

An entry of SENSORIUM_CACHE/sounds keeps the samples or features one after another, where each recording lies, and
what was found while decoding.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile
import torch
import torchaudio

from sensorium.audio.features import Features
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.scan import Decoder, Facts
from sensorium.data.audio.store import AUDIO, Flat, FlatWriter
from sensorium.data.cache import file_sources, key_of, packed_reasons, reasons
from sensorium.data.rows import Ragged

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
    if cache == "none":
        return DecodedAudio(_Files(decoder), decoder.scan())
    extractor = Features(**features).eval() if cache == "features" else None

    def build(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
        _log.info("decoding %s recordings into %s", f"{len(recordings):,}", AUDIO.home)
        writer = FlatWriter(file.write)
        found = decoder.scan(writer.add, features=extractor)
        arrays = {name: getattr(found, name) for name in _FACTS}
        return {**arrays, **writer.where(), "wrong": packed_reasons(found.wrong)}

    entry = AUDIO.entry(_key(recordings, features, cache, max_seconds), build, limit=_LIMIT)
    facts = entry.facts
    where = {name: facts[name] for name in ("starts", "lengths", "wide")}
    return DecodedAudio(
        Flat(entry.rows, **where, width=extractor.num_features if extractor else 0),
        Facts(wrong=reasons(facts["wrong"]), **{name: facts[name] for name in _FACTS}),
    )


def _key(recordings: AudioListing, features: Mapping[str, Any], cache: str, max_seconds: float | None) -> str:
    # The libraries are in it because another version may decode, resample or transform to other numbers.
    settings: list[Any] = [_FORMAT, soundfile.__libsndfile_version__, torchaudio.__version__, max_seconds]
    settings.append({key: value for key, value in features.items() if key == "sample_rate" or cache == "features"})
    if cache == "features":
        settings[-1].pop("normalise", None)  # which comes after
        settings.append(torch.__version__)
    return key_of(settings, _sources(recordings))


def _sources(recordings: AudioListing) -> Iterator[bytes]:
    files = {recording.audio for recording in recordings.recordings if isinstance(recording.audio, str)}
    looked_at = dict(zip(files, file_sources(files), strict=True))  # many pieces may be of one file
    for recording in recordings.recordings:
        audio = recording.audio
        yield recordings.samples.at(audio).tobytes() if isinstance(audio, int) else looked_at[audio]
        yield f" {recording.start} {recording.end}\n".encode()
