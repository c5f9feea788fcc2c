"""Speech Commands, version 2: 105,829 recordings of 35 words, a second each, 16 kHz.

P. Warden, "Speech Commands: a dataset for limited-vocabulary speech recognition", arXiv 1804.03209.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from torchaudio.datasets import SPEECHCOMMANDS

from sensorium.audio.read import UnreadableAudio, probe
from sensorium.data.audio.audio_settings import AudioSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import audio_classes
from sensorium.data.base import SPLITS, Data, OnBad, Problem, counted
from sensorium.data.locate import published
from sensorium.errors import RequestError, unknown
from sensorium.randomness import generator

_SUBSETS = {"train": "training", "val": "validation", "test": "testing"}
_LISTS = ("validation_list.txt", "testing_list.txt")
_NOISE = "_background_noise_"
_WINDOWS = {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}  # shares of a noise file
UNKNOWN, SILENCE = "unknown", "silence"


class _Said(NamedTuple):
    path: Path
    word: str
    speaker: str


@dataclass(frozen=True, kw_only=True)
class SpeechCommands(AudioSettings):
    """root: the folder with the words' folders and the two lists, or one around it as torchaudio makes them.

    commands: words that are classes of their own. The others are then "unknown", of which are drawn as many as make
    unknown_fraction of the commands in each split, and silence_fraction is cut out of the noise files, splits of them
    kept apart. None takes every word as a class. split_seed: which recordings are drawn.
    """

    task = "classification"
    published: ClassVar[bool] = True

    root: str | None
    commands: Sequence[str] | None
    unknown_fraction: float
    silence_fraction: float
    split_seed: int

    def check(self) -> None:
        super().check()
        for key, value in {"unknown": self.unknown_fraction, "silence": self.silence_fraction}.items():
            if value < 0:
                raise RequestError(f"dataset.{key}_fraction={value}: give 0 or more, such as 0.1.")

    def load(self, *, on_bad: OnBad) -> Data:
        folder = published(
            "speech_commands",
            self.root,
            inner=("SpeechCommands", "speech_commands_v0.02"),
            files="speech_commands_v0.02.tar.gz (download.tensorflow.org/data), unpacked,",
            has=_LISTS,
        )
        found = AudioListing(folder)
        splits = {split: _recordings(found, folder, split) for split in SPLITS}
        if self.commands is None:
            for split, recordings in splits.items():
                _add(found, recordings, split)
            return audio_classes(found, self, on_bad=on_bad)
        self._check_commands({said.word for recordings in splits.values() for said in recordings})
        for split, recordings in splits.items():
            self._add_reduced(found, folder, recordings, split)
        names = [*self.commands, UNKNOWN, SILENCE]
        return audio_classes(found, self, on_bad=on_bad, class_names=names)

    def _check_commands(self, words: set[str]) -> None:
        for word in self.commands or ():
            if word not in words:
                raise unknown("word in the recordings", str(word), words)

    def _add_reduced(self, found: AudioListing, folder: Path, recordings: Sequence[_Said], split: str) -> None:
        """Of a split: the commands, some of the other words, and silence."""
        commands = set(self.commands or ())
        wanted = [said for said in recordings if said.word in commands]
        others = [said for said in recordings if said.word not in commands]
        others = sorted(others, key=lambda said: _draw(self.split_seed, said))[
            : round(self.unknown_fraction * len(wanted))
        ]
        _add(found, wanted, split)
        _add(found, [said._replace(word=UNKNOWN) for said in others], split)
        silences = round(self.silence_fraction * len(wanted))
        if silences:
            self._add_silence(found, folder, split, silences)
        drawn = counted(len(others), "recording")
        found.notes.append(f"{split}: {drawn} of other words as {UNKNOWN}, {silences:,} of noise as {SILENCE}")

    def _add_silence(self, found: AudioListing, folder: Path, split: str, count: int) -> None:
        """So many seconds of the noise files, from the stretch of each that is this split's."""
        stretches = []
        for path in sorted((folder / _NOISE).glob("*.wav")):
            try:
                info = probe(path)
            except UnreadableAudio as error:
                if split == "train":  # noted once
                    found.problems.append(Problem(str(path), str(error)))
                continue
            seconds = info.samples / info.sample_rate
            first, last = (share * seconds for share in _WINDOWS[split])
            if last - first >= 1:
                stretches.append((path, first, last))
        if not stretches:
            raise RequestError(
                f"{folder / _NOISE} has no noise files that are long enough (10 s).\n"
                "Put them there, or set dataset.silence_fraction=0."
            )
        random = generator(self.split_seed, SPLITS.index(split))
        for _ in range(count):
            path, first, last = stretches[int(random.integers(len(stretches)))]
            start = round(float(random.uniform(first, last - 1)), 3)
            found.add(path, SILENCE, split=split, start=start, end=start + 1)


def _recordings(found: AudioListing, folder: Path, split: str) -> list[_Said]:
    """Those of a split as torchaudio lists them."""
    # The archive's name only tells torchaudio what the folder is called.
    source = SPEECHCOMMANDS(folder.parent, f"{folder.name}.tar.gz", folder_in_archive="", subset=_SUBSETS[split])
    listed = []
    for n, name in enumerate(source._walker):
        try:
            path, _, word, speaker, _ = source.get_metadata(n)
        except ValueError:
            found.problems.append(Problem(name, "not named SPEAKER_nohash_NUMBER.wav"))
            continue
        listed.append(_Said(folder.parent / path, word, speaker))
    return listed


def _add(found: AudioListing, recordings: Sequence[_Said], split: str) -> None:
    for said in recordings:
        found.add(said.path, said.word, split=split, speaker=said.speaker)
    found.given.add(split)


def _draw(seed: int, said: _Said) -> bytes:
    return hashlib.sha256(f"{seed}\n{said.word}/{said.path.name}".encode()).digest()
