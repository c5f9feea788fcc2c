"""Synthetic: spoken commands in English, by eSpeak NG in many voices, with other words and with silence.

The voices of val and test are not in train, and the other words of each split are different ones. Everything lies in
faint noise of random loudness, so that silence does not differ from speech by that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.data.audio.audio_settings import AudioSettings, DrawnAudio
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import audio_classes
from sensorium.data.audio.speech_commands import SILENCE, UNKNOWN
from sensorium.data.audio.voices import drawn_voice, spoken
from sensorium.data.base import Data, OnBad
from sensorium.errors import RequestError
from sensorium.synthetic.audio import add_noise
from sensorium.synthetic.numbers import DIGITS

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


@dataclass(frozen=True, kw_only=True)
class SpokenCommands(AudioSettings, DrawnAudio):
    """commands: words that are classes; "unknown" is for other words, "silence" for nothing but noise.

    train_size, val_size, test_size: recordings in each split, all classes about equally often. data_seed: which words
    are said, and how.
    """

    task = "classification"

    commands: Sequence[str]

    def check(self) -> None:
        super().check()
        commands = self.commands
        # YAML takes yes, no, on and off for true and false where they are not in quotes.
        if any(not isinstance(word, str) or not word.strip() for word in commands) or len(commands) < 1:
            raise RequestError(
                f"dataset.commands={list(commands)}: give words, at least one; those such as 'yes' and 'off' in quotes."
            )
        if len(set(commands)) < len(commands) or {UNKNOWN, SILENCE} & set(commands):
            raise RequestError(
                f"dataset.commands={list(commands)}: give each word once; {UNKNOWN} and {SILENCE} are always included."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        found = AudioListing("spoken_commands")
        found.notes.append(
            "spoken_commands is synthetic: spoken by eSpeak NG; val and test use voices that are not in train"
        )
        for split, randoms in self.draws().items():
            self._add(found, split, randoms)
        return audio_classes(found, self, on_bad=on_bad, class_names=self._classes)

    @property
    def _classes(self) -> tuple[str, ...]:
        return (*self.commands, UNKNOWN, SILENCE)

    def _add(self, found: AudioListing, split: str, randoms: Sequence[np.random.Generator]) -> None:
        labels = [self._classes[row % len(self._classes)] for row in range(len(randoms))]
        others = [word for word in _OTHERS[split] if word not in self._classes]
        # Silence too is given a voice, which says nothing.
        asked = [
            drawn_voice(_word(label, others, random), split, random)
            for label, random in zip(labels, randoms, strict=True)
        ]
        said = [utterance for utterance in asked if utterance.text]
        sounds = spoken(said, sample_rate=self.rate) if said else iter(())
        for row, (label, utterance, random) in enumerate(zip(labels, asked, randoms, strict=True)):
            samples = next(sounds) if utterance.text else np.empty(0, np.float32)
            free = max(0, round(_SECONDS * self.rate) - len(samples))
            before = int(random.integers(free + 1))
            level = 10 ** (random.uniform(*_NOISE_DB) / 20)
            samples = add_noise(samples, before=before, behind=free - before, level=level, random=random)
            speaker = utterance.voice if utterance.text else ""
            found.add(samples, label, split=split, speaker=speaker, source=f"spoken_commands:{split}:{row}")


def _word(label: str, others: Sequence[str], random: np.random.Generator) -> str:
    if label == UNKNOWN:
        return others[int(random.integers(len(others)))]
    return "" if label == SILENCE else label
