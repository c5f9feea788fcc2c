"""Recordings decoded once, into a memory-mapped file that every later run reads.

In SENSORIUM_CACHE/sounds, by a hash of files, times, rate and, where features are kept, how they are taken:

    KEY.lock   held by the one who opens or builds this entry
    KEY.flat   the flat array of samples or features
    KEY.facts  where each recording lies in it, and what was found while decoding; written last
"""

import hashlib
import json
import logging
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torchaudio

from sensorium.audio.features import Features
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.scan import Decoder, Facts
from sensorium.data.audio.store import Flat, FlatWriter, Source, no_room
from sensorium.data.download import cache_folder
from sensorium.data.entries import file_facts, locked, remove_oldest
from sensorium.errors import RunError
from sensorium.files import replacing

_FORMAT = 1
_KEPT = 1 << 36  # bytes of entries that are kept; the longest unused ones make room
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DecodedAudio:
    """Recordings as they can be read, and what is known of them. Row i of both is recording i of the list."""

    source: Source
    facts: Facts


class _Files:
    """Recordings decoded at each read."""

    width = 0

    def __init__(self, decoder: Decoder, lengths: np.ndarray) -> None:
        self._decoder, self.lengths = decoder, lengths

    def read(self, row: int) -> np.ndarray:
        return self._decoder.samples(row)


def decode_all(
    recordings: AudioListing, *, features: Mapping[str, Any], cache: str, max_seconds: float | None
) -> DecodedAudio:
    """Everything decoded, from the cache, which is filled first if needed.

    An entry belongs to the places, sizes and times of change of the files and to all settings, so that it is built anew
    when one of them changes. Of processes that start together one builds, the others wait for it. Samples in memory are
    kept as they are, unless features are.

    features: arguments of `Features`. cache: "samples", "features", or "none" to read the files each time. Raises
    RunError when the cache cannot be written.
    """
    decoder = Decoder(recordings, sample_rate=int(features["sample_rate"]), max_seconds=max_seconds)
    in_memory = all(isinstance(recording.audio, int) for recording in recordings.recordings)
    if in_memory and cache != "features":
        return DecodedAudio(recordings.samples, decoder.scan())
    if cache == "none":
        facts = decoder.scan()
        return DecodedAudio(_Files(decoder, facts.samples), facts)
    extractor = Features(**features).eval() if cache == "features" else None
    width = extractor.num_features if extractor else 0
    home, key = cache_folder("sounds"), _key(recordings, features, cache, max_seconds)
    flat, about = home / f"{key}.flat", home / f"{key}.facts"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / f"{key}.lock"):
            found = _open(flat, about, width=width)
            if found is None:
                _log.info("decoding %s recordings into %s", f"{len(recordings):,}", home)
                _build(flat, about, decoder, extractor)
                found = _open(flat, about, width=width)
            os.utime(flat)  # the entry used last is removed last
        remove_oldest(home, suffix=".flat", others=(".facts",), limit=_KEPT, keep=key)
    except OSError as error:
        raise no_room(error) from error
    if found is None:
        raise RunError(f"What was just written to {flat} is not there. Does something else clean up this folder?")
    return found


def _key(recordings: AudioListing, features: Mapping[str, Any], cache: str, max_seconds: float | None) -> str:
    # The libraries are in it because another version may decode, resample or transform to other numbers.
    settings: list[Any] = [_FORMAT, soundfile.__libsndfile_version__, torchaudio.__version__, max_seconds]
    settings.append({key: value for key, value in features.items() if key == "sample_rate" or cache == "features"})
    if cache == "features":
        settings[-1].pop("normalise", None)  # which comes after
        settings.append(torch.__version__)
    hashed, here = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()), str(Path.cwd())
    status: dict[str, str] = {}
    for recording in recordings.recordings:
        if isinstance(recording.audio, int):
            hashed.update(recordings.samples.read(recording.audio).tobytes())
            facts = "in memory"
        else:
            if recording.audio not in status:  # many pieces may be of one file
                status[recording.audio] = f"{os.path.join(here, recording.audio)} {file_facts(recording.audio)}"  # noqa: PTH118
            facts = status[recording.audio]
        hashed.update(os.fsencode(f"\n{facts} {recording.start} {recording.end}\n"))
    return hashed.hexdigest()[:32]


def _build(flat: Path, about: Path, decoder: Decoder, extractor: Features | None) -> None:
    with replacing(flat) as file:
        writer = FlatWriter(file, width=extractor.num_features if extractor else 0)
        facts = decoder.scan(writer.add, features=extractor)
        writer.flush()
    arrays = {key: getattr(facts, key) for key in ("samples", "rates", "digests", "clipped")}
    wrong = np.frombuffer(json.dumps(facts.wrong).encode(), np.uint8)
    with replacing(about) as file:
        stored = {"wrong": wrong, "size": np.array(flat.stat().st_size), **arrays, **writer.where()}
        np.savez(file, **stored)


def _open(flat: Path, about: Path, *, width: int) -> DecodedAudio | None:
    """The entry; None when there is none, or one that was cut off."""
    if not (about.is_file() and flat.is_file()):
        return None
    with np.load(about) as stored:
        kept = {key: stored[key] for key in ("starts", "lengths", "wide")}
        wrong = {int(row): what for row, what in json.loads(stored["wrong"].tobytes()).items()}
        arrays = {key: stored[key] for key in ("samples", "rates", "digests", "clipped")}
        if flat.stat().st_size != int(stored["size"]):
            return None
    with flat.open("rb") as file:
        # A mapping stays whole when another process removes the file.
        size = os.fstat(file.fileno()).st_size
        mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else b""
    return DecodedAudio(Flat(np.frombuffer(mapping, np.uint8), **kept, width=width), Facts(wrong=wrong, **arrays))
