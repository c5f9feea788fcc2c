"""Synthetic: spoken commands in English, said by eSpeak NG in many voices, with other words and with silence.

The voices of val and test are not in train, and the other words of each part are different ones. Everything lies in
faint noise of random loudness, so that silence is not told from speech by that.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from sensorium.data.audio.listed import PARTS, Recordings
from sensorium.data.audio.made import DIGITS, given_rate, part_sizes, set_in_noise
from sensorium.data.audio.settings import SoundSettings
from sensorium.data.audio.speech_commands import SILENCE, UNKNOWN
from sensorium.data.audio.voices import drawn_voice, spoken
from sensorium.data.base import Data, OnBad
from sensorium.errors import RequestError
from sensorium.randomness import generator

_OTHERS = {
    "train": (
        *DIGITS,
        *("bed", "bird", "cat", "dog", "happy", "house", "learn", "tree", "visual", "wow", "back", "forward"),
        *("apple", "window", "music", "light", "water", "door", "paper", "morning", "green", "table", "river"),
    ),
    "val": ("follow", "marvin", "summer", "chair", "orange", "coffee", "pencil", "north", "bread", "never"),
    "test": ("sheila", "garden", "winter", "yellow", "kitchen", "phone", "south", "sugar", "under", "mountain"),
}
_NOISE_DB = (-70.0, -40.0)  # below full scale
_SECONDS = 1.0  # of a recording, unless the word is longer


class SpokenCommands:
    """commands: words that are classes; "unknown" is for other words, "silence" for nothing but noise.

    train_size, val_size, test_size: recordings in each part, all classes about equally often. data_seed: which words
    are said, and how.
    """

    task = "classification"

    def __init__(
        self,
        *,
        commands: Sequence[str],
        train_size: int,
        val_size: int,
        test_size: int,
        data_seed: int,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Literal["samples", "features", "none"],
        min_seconds: float | None,
        max_seconds: float | None,
    ) -> None:
        # YAML takes yes, no, on and off for true and false where they are not in quotes.
        if any(not isinstance(word, str) or not word.strip() for word in commands) or len(commands) < 1:
            raise RequestError(
                f"dataset.commands={list(commands)}: give words, at least one; those such as 'yes' and 'off' in quotes."
            )
        if len(set(commands)) < len(commands) or {UNKNOWN, SILENCE} & set(commands):
            raise RequestError(
                f"dataset.commands={list(commands)}: give each word once; {UNKNOWN} and {SILENCE} are there anyway."
            )
        self._classes = (*commands, UNKNOWN, SILENCE)
        self._sizes = part_sizes(train_size, val_size, test_size)
        self._seed, self._rate = data_seed, given_rate(sample_rate)
        self._settings = SoundSettings(
            sample_rate=self._rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        found = Recordings("spoken_commands")
        found.notes.append("spoken_commands is synthetic: said by eSpeak NG, in val and test by voices not in train")
        for number, part in enumerate(PARTS):
            self._add(found, part, number)
        return self._settings.make(found, on_bad, class_names=self._classes)

    def _add(self, found: Recordings, part: str, number: int) -> None:
        randoms = [generator(self._seed, number, row) for row in range(self._sizes[part])]
        labels = [self._classes[row % len(self._classes)] for row in range(len(randoms))]
        others = [word for word in _OTHERS[part] if word not in self._classes]
        # Silence too is given a voice, which says nothing.
        asked = [
            drawn_voice(_word(label, others, random), part, random)
            for label, random in zip(labels, randoms, strict=True)
        ]
        said = [utterance for utterance in asked if utterance.text]
        sounds = spoken(said, sample_rate=self._rate) if said else iter(())
        for row, (label, utterance, random) in enumerate(zip(labels, asked, randoms, strict=True)):
            samples = next(sounds) if utterance.text else np.empty(0, np.float32)
            free = max(0, round(_SECONDS * self._rate) - len(samples))
            before = int(random.integers(free + 1))
            level = 10 ** (random.uniform(*_NOISE_DB) / 20)
            samples = set_in_noise(samples, before=before, behind=free - before, level=level, random=random)
            speaker = utterance.voice if utterance.text else ""
            found.add(samples, text=label, part=part, speaker=speaker, place=f"spoken_commands:{part}:{row}")


def _word(label: str, others: Sequence[str], random: np.random.Generator) -> str:
    if label == UNKNOWN:
        return others[int(random.integers(len(others)))]
    return "" if label == SILENCE else label
