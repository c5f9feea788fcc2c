"""Synthetic: numbers in English, said by eSpeak NG in many voices, accents, speeds and pitches.

    "three hundred and seven", "seven three one"

The voices of val and test are not in train. What was said is kept in SENSORIUM_CACHE/spoken.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torchaudio.transforms import Resample

from sensorium.audio import espeak
from sensorium.audio.espeak import Utterance
from sensorium.data.audio.connected_digits import WORDS, given_rate, stepped
from sensorium.data.audio.listed import PARTS, Recordings
from sensorium.data.audio.settings import SpeechSettings
from sensorium.data.audio.store import padded
from sensorium.data.base import Data, OnBad
from sensorium.data.download import cache_folder
from sensorium.data.entries import locked
from sensorium.errors import RequestError, RunError, unknown
from sensorium.files import replacing
from sensorium.randomness import generator

Kind = Literal["mixed", "cardinals", "digits"]
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_LONGEST = {"cardinals": 4, "digits": 6}  # decimal places of a number, words of a sequence

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
_EDGE = (0.05, 0.2)  # seconds before and behind what is said
_NOISE = 0.001  # of full scale, in amplitude
_FORMAT = 1  # of what is kept
_AT_ONCE = 64  # utterances resampled together


class SpokenNumbers:
    """kind: "cardinals" from 0 to 9999, "digits" one by one, or "mixed", half of each.

    train_size, val_size, test_size: utterances in each part. data_seed: which numbers are said, and how.
    """

    task = "recognition"

    def __init__(
        self,
        *,
        kind: Kind,
        train_size: int,
        val_size: int,
        test_size: int,
        data_seed: int,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Literal["samples", "features", "none"],
        min_seconds: float | None,
        max_seconds: float | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        language_model: int,
    ) -> None:
        if kind not in get_args(Kind):
            raise unknown("kind of spoken numbers", str(kind), get_args(Kind))
        self._sizes = part_sizes(train_size, val_size, test_size)
        self._kind, self._seed, self._rate = kind, data_seed, given_rate(sample_rate)
        self._settings = SpeechSettings(
            sample_rate=self._rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            language_model=language_model,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        found = Recordings("spoken_numbers")
        found.notes.append("spoken_numbers is synthetic: said by eSpeak NG, in val and test by voices not in train")
        for number, part in enumerate(PARTS):
            randoms = [generator(self._seed, number, row) for row in range(self._sizes[part])]
            said = [self._drawn(part, random) for random in randoms]
            utterances = [utterance for _, utterance in said]
            sounds = spoken(utterances, sample_rate=self._rate)
            for row, ((text, utterance), samples, random) in enumerate(zip(said, sounds, randoms, strict=True)):
                before, behind = (random.uniform(*_EDGE, size=2) * self._rate).astype(int).tolist()
                samples = set_in_noise(samples, before=before, behind=behind, level=_NOISE, random=random)
                place = f"spoken_numbers:{part}:{row}"
                found.add(samples, text=text, part=part, speaker=utterance.voice, place=place)
        return self._settings.make(found, on_bad)

    def _drawn(self, part: str, random: np.random.Generator) -> tuple[str, Utterance]:
        """A transcript, and how it is said."""
        kind = self._kind
        if kind == "mixed":
            kind = "digits" if random.random() < 0.5 else "cardinals"
        length = int(random.integers(1, _LONGEST[kind] + 1))
        if kind == "cardinals":
            text = in_words(int(random.integers(10 ** (length - 1) if length > 1 else 0, 10**length)))
            return text, drawn_voice(text, part, random)
        words = [WORDS[digit] for digit in random.integers(10, size=length).tolist()]
        pause = ", " if random.random() < 0.3 else " "
        return " ".join(words), drawn_voice(pause.join(words), part, random)


def in_words(number: int) -> str:
    """A number from 0 to 9999 in English, as in "three thousand four hundred and twenty one"."""
    if number >= 1000:
        return _with_rest(f"{WORDS[number // 1000]} thousand", number % 1000)
    if number >= 100:
        return _with_rest(f"{WORDS[number // 100]} hundred", number % 100)
    if number >= 20:
        return f"{_TENS[number // 10]} {WORDS[number % 10]}" if number % 10 else _TENS[number // 10]
    return _TEENS[number - 10] if number >= 10 else WORDS[number]


def _with_rest(head: str, rest: int) -> str:
    if not rest:
        return head
    return f"{head} {in_words(rest)}" if rest >= 100 else f"{head} and {in_words(rest)}"


def drawn_voice(text: str, part: str, random: np.random.Generator) -> Utterance:
    """The text in a voice of this part: any accent in a variant that no other part has, any speed and pitch."""
    accent = _ACCENTS[int(random.integers(len(_ACCENTS)))]
    variant = _VARIANTS[part][int(random.integers(len(_VARIANTS[part])))]
    speed, pitch = int(random.integers(*_SPEED)), int(random.integers(*_PITCH))
    return Utterance(text, voice=f"{accent}+{variant}", speed=speed, pitch=pitch)


def part_sizes(train_size: int, val_size: int, test_size: int) -> dict[str, int]:
    """By part. Raises RequestError for an empty one."""
    sizes = {"train": train_size, "val": val_size, "test": test_size}
    if min(sizes.values()) < 1:
        given = ", ".join(f"{part}_size={size}" for part, size in sizes.items())
        raise RequestError(f"dataset.{given}: give at least 1 each.")
    return sizes


def set_in_noise(
    samples: np.ndarray, *, before: int, behind: int, level: float, random: np.random.Generator
) -> np.ndarray:
    """(N,) float32: silence of so many samples before and behind, and white noise of this level over everything."""
    placed = np.pad(samples, (before, behind))
    return stepped(placed + random.normal(0, level, size=len(placed)).astype(np.float32))


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
        resampled = stepped(resample(torch.from_numpy(signal)).numpy()) * 32768
        lengths = -(-lengths * sample_rate // espeak.SAMPLE_RATE)
        pieces += [row[:length] for row, length in zip(resampled.astype(np.int16), lengths.tolist(), strict=True)]
    with replacing(path) as file:
        np.savez(file, samples=np.concatenate(pieces), lengths=np.array([len(piece) for piece in pieces]))
