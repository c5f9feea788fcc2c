"""The voices of eSpeak NG, apart for each split, and their utterances, cached in SENSORIUM_CACHE/spoken."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from typing import BinaryIO

import numpy as np
import torch
from torchaudio.transforms import Resample

from sensorium.audio import espeak
from sensorium.audio.espeak import Utterance
from sensorium.data.audio.store import padded
from sensorium.data.cache import Cache, key_of
from sensorium.synthetic.audio import quantize_int16

_ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc")
_VARIANTS = {  # those that sound like people
    "train": (
        *("m1", "m2", "m4", "m5", "m7", "f1", "f2", "f4", "Andy", "Annie", "Lee", "Mario", "Michael", "aunty"),
        *("belinda", "benjamin", "edward", "grandma", "linda", "max", "pablo", "quincy", "steph", "travis"),
    ),
    "val": ("m6", "f3", "robert", "shelby"),
    "test": ("m3", "m8", "f5", "Andrea", "Gene", "david"),
}
_SPEED, _PITCH = (130, 210), (25, 75)  # words a minute; eSpeak's own scale from 0 to 99
_FORMAT = 2  # of what is kept
_LIMIT = 1 << 34  # bytes of all entries together
_SPOKEN = Cache("spoken", content="speech")
_AT_ONCE = 64  # utterances resampled together


def drawn_voice(text: str, split: str, random: np.random.Generator) -> Utterance:
    """The text in a voice of this split: any accent in a variant that no other split has, any speed and pitch."""
    accent = _ACCENTS[int(random.integers(len(_ACCENTS)))]
    variant = _VARIANTS[split][int(random.integers(len(_VARIANTS[split])))]
    speed, pitch = int(random.integers(*_SPEED)), int(random.integers(*_PITCH))
    return Utterance(text, voice=f"{accent}+{variant}", speed=speed, pitch=pitch)


def spoken(utterances: Sequence[Utterance], *, sample_rate: int) -> Iterator[np.ndarray]:
    """(N,) float32 samples of each utterance at this rate, from the cache, which is filled first if needed.

    An entry belongs to all the utterances in their order. Raises RequestError when they are not there and the package
    espeakng-loader is neither, RunError when the cache cannot be written.
    """

    def build(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
        lengths = []
        for samples in _say(utterances, sample_rate):
            file.write(samples.tobytes())
            lengths.append(len(samples))
        return {"lengths": np.array(lengths)}

    key = key_of([_FORMAT, sample_rate, [astuple(utterance) for utterance in utterances]])
    entry = _SPOKEN.entry(key, build, limit=_LIMIT)
    for piece in np.split(entry.rows.view(np.int16), np.cumsum(entry.facts["lengths"])[:-1]):
        yield piece / np.float32(32768)


def _say(utterances: Sequence[Utterance], sample_rate: int) -> Iterator[np.ndarray]:
    """(N,) int16 samples of each."""
    resample = Resample(espeak.SAMPLE_RATE, sample_rate)
    said = espeak.speak(utterances)
    while batch := list(islice(said, _AT_ONCE)):
        signal, lengths = padded([samples / np.float32(32768) for samples in batch])
        resampled = quantize_int16(resample(torch.from_numpy(signal)).numpy()) * 32768
        lengths = -(-lengths * sample_rate // espeak.SAMPLE_RATE)
        for row, length in zip(resampled.astype(np.int16), lengths.tolist(), strict=True):
            yield row[:length]
