"""The voices of eSpeak NG, apart for each split, and what they say, kept in SENSORIUM_CACHE/spoken."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torchaudio.transforms import Resample

from sensorium.audio import espeak
from sensorium.audio.espeak import Utterance
from sensorium.data.audio.store import padded
from sensorium.data.download import cache_folder
from sensorium.data.entries import locked
from sensorium.errors import RunError
from sensorium.files import replacing
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
_FORMAT = 1  # of what is kept
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
    asked = json.dumps([_FORMAT, sample_rate, [astuple(utterance) for utterance in utterances]])
    home = cache_folder("spoken")
    path = home / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.npz"
    if not path.is_file():
        try:
            home.mkdir(parents=True, exist_ok=True)
            with locked(home / "lock"):
                if not path.is_file():
                    _say(path, utterances, sample_rate)
        except OSError as error:
            raise RunError(
                f"Cannot keep speech in {home}: {error.strerror or error}.\nSet SENSORIUM_CACHE to a folder with room."
            ) from error
    with np.load(path) as kept:
        samples, lengths = kept["samples"], kept["lengths"]
    for piece in np.split(samples, np.cumsum(lengths)[:-1]):
        yield piece / np.float32(32768)


def _say(path: Path, utterances: Sequence[Utterance], sample_rate: int) -> None:
    resample = Resample(espeak.SAMPLE_RATE, sample_rate)
    said, pieces = espeak.speak(utterances), []
    while batch := list(islice(said, _AT_ONCE)):
        signal, lengths = padded([samples / np.float32(32768) for samples in batch])
        resampled = quantize_int16(resample(torch.from_numpy(signal)).numpy()) * 32768
        lengths = -(-lengths * sample_rate // espeak.SAMPLE_RATE)
        pieces += [row[:length] for row, length in zip(resampled.astype(np.int16), lengths.tolist(), strict=True)]
    with replacing(path) as file:
        np.savez(file, samples=np.concatenate(pieces), lengths=np.array([len(piece) for piece in pieces]))
