"""Speech Commands, version 2: 105,829 recordings of 35 words, a second each, 16 kHz.

P. Warden, "Speech Commands: a dataset for limited-vocabulary speech recognition", arXiv 1804.03209.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torchaudio.datasets import SPEECHCOMMANDS

from sensorium.audio.read import UnreadableAudio, probe
from sensorium.data.audio.listed import PARTS, Recordings
from sensorium.data.audio.published import published
from sensorium.data.audio.settings import SoundSettings
from sensorium.data.base import Data, OnBad, Problem, counted
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


class SpeechCommands:
    """root: the folder with the words' folders and the two lists, or one around it as torchaudio makes them.

    commands: words that are classes of their own. The others are then "unknown", of which are drawn as many as make
    unknown_fraction of the commands in each part, and silence_fraction is cut out of the noise files, parts of them
    kept apart. None takes every word as a class. split_seed: which recordings are drawn.
    """

    task = "classification"

    def __init__(
        self,
        *,
        root: str | None,
        commands: Sequence[str] | None,
        unknown_fraction: float,
        silence_fraction: float,
        sample_rate: int | None,
        features: Mapping[str, Any],
        cache: Literal["samples", "features", "none"],
        min_seconds: float | None,
        max_seconds: float | None,
        split_seed: int,
    ) -> None:
        for key, value in {"unknown_fraction": unknown_fraction, "silence_fraction": silence_fraction}.items():
            if value < 0:
                raise RequestError(f"dataset.{key}={value}: give 0 or more, such as 0.1.")
        self._root, self._seed = root, split_seed
        self._commands = None if commands is None else list(commands)
        self._unknown, self._silence = unknown_fraction, silence_fraction
        self._settings = SoundSettings(
            sample_rate=sample_rate,
            features=features,
            cache=cache,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        folder = published(
            "speech_commands",
            self._root,
            inner=("SpeechCommands", "speech_commands_v0.02"),
            files="speech_commands_v0.02.tar.gz (download.tensorflow.org/data), unpacked,",
            has=_LISTS,
        )
        found = Recordings(folder)
        parts = {part: _recordings(found, folder, part) for part in PARTS}
        if self._commands is None:
            for part, recordings in parts.items():
                _add(found, recordings, part)
            return self._settings.make(found, on_bad)
        self._check_commands({said.word for recordings in parts.values() for said in recordings})
        for part, recordings in parts.items():
            self._add_reduced(found, folder, recordings, part)
        names = [*self._commands, UNKNOWN, SILENCE]
        return self._settings.make(found, on_bad, class_names=names)

    def _check_commands(self, words: set[str]) -> None:
        for word in self._commands or ():
            if word not in words:
                raise unknown("word in the recordings", str(word), words)

    def _add_reduced(self, found: Recordings, folder: Path, recordings: Sequence[_Said], part: str) -> None:
        """Of a part: the commands, some of the other words, and silence."""
        commands = set(self._commands or ())
        wanted = [said for said in recordings if said.word in commands]
        others = [said for said in recordings if said.word not in commands]
        others = sorted(others, key=lambda said: _draw(self._seed, said))[: round(self._unknown * len(wanted))]
        _add(found, wanted, part)
        _add(found, [said._replace(word=UNKNOWN) for said in others], part)
        silences = round(self._silence * len(wanted))
        if silences:
            self._add_silence(found, folder, part, silences)
        drawn = counted(len(others), "recording")
        found.notes.append(f"{part}: {drawn} of other words as {UNKNOWN}, {silences:,} of noise as {SILENCE}")

    def _add_silence(self, found: Recordings, folder: Path, part: str, count: int) -> None:
        """So many seconds of the noise files, from the stretch of each that is this part's."""
        stretches = []
        for path in sorted((folder / _NOISE).glob("*.wav")):
            try:
                info = probe(path)
            except UnreadableAudio as error:
                if part == "train":  # told once
                    found.problems.append(Problem(str(path), str(error)))
                continue
            seconds = info.samples / info.sample_rate
            first, last = (share * seconds for share in _WINDOWS[part])
            if last - first >= 1:
                stretches.append((path, first, last))
        if not stretches:
            raise RequestError(
                f"{folder / _NOISE} has no noise files that are long enough (10 s).\n"
                "Put them there, or say dataset.silence_fraction=0."
            )
        random = generator(self._seed, PARTS.index(part))
        for _ in range(count):
            path, first, last = stretches[int(random.integers(len(stretches)))]
            start = round(float(random.uniform(first, last - 1)), 3)
            found.add(path, text=SILENCE, part=part, start=start, end=start + 1)


def _recordings(found: Recordings, folder: Path, part: str) -> list[_Said]:
    """Those of a part as torchaudio lists them."""
    # The archive's name only tells torchaudio what the folder is called.
    source = SPEECHCOMMANDS(folder.parent, f"{folder.name}.tar.gz", folder_in_archive="", subset=_SUBSETS[part])
    listed = []
    for n, name in enumerate(source._walker):
        try:
            path, _, word, speaker, _ = source.get_metadata(n)
        except ValueError:
            found.problems.append(Problem(name, "not named SPEAKER_nohash_NUMBER.wav"))
            continue
        listed.append(_Said(folder.parent / path, word, speaker))
    return listed


def _add(found: Recordings, recordings: Sequence[_Said], part: str) -> None:
    for said in recordings:
        found.add(said.path, text=said.word, part=part, speaker=said.speaker)
    found.given.add(part)


def _draw(seed: int, said: _Said) -> bytes:
    return hashlib.sha256(f"{seed}\n{said.word}/{said.path.name}".encode()).digest()
