"""Free Spoken Digit Dataset: digits spoken in English, 50 times each by six people, in files of 8 kHz.

Z. Jackson and others, github.com/Jakobovski/free-spoken-digit-dataset.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from sensorium.data.audio.audio_settings import AudioSettings
from sensorium.data.audio.listing import AudioListing
from sensorium.data.audio.recordings import audio_classes
from sensorium.data.base import Data, OnBad, Problem, counted
from sensorium.data.hold_out import hold_out
from sensorium.data.locate import published
from sensorium.data.settings import HoldOutVal
from sensorium.errors import RequestError, unknown

SplitBy = Literal["official", "speaker"]
_NAME = re.compile(r"(\d)_(.+)_(\d+)\.wav", re.IGNORECASE)
_TESTED = 5  # recordings of a digit by a speaker, the first ones, that are the official test


@dataclass(frozen=True, slots=True)
class Digit:
    """A recording of a digit. split: train, val or test."""

    path: Path
    digit: int
    speaker: str
    index: int
    split: str = "train"


@dataclass(frozen=True, kw_only=True)
class Fsdd(AudioSettings, HoldOutVal):
    """root: the folder of `DIGIT_SPEAKER_INDEX.wav`, or the one around it.

    split: "official" tests on the recordings of index 0 to 4; "speaker" on all recordings of `speaker`. Validation
    is held out of the others, by digit and speaker.
    """

    task = "classification"
    published: ClassVar[bool] = True

    root: str | None
    split: SplitBy
    speaker: str | None

    def check(self) -> None:
        super().check()
        if self.split not in ("official", "speaker"):
            raise unknown("split of FSDD", str(self.split), ("official", "speaker"))
        if self.split == "official" and self.speaker is not None:
            raise RequestError(
                f"dataset.speaker={self.speaker} and dataset.split=official contradict each other.\n"
                "Set dataset.split=speaker to test on one speaker."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        folder = fsdd_folder(self.root)
        found = AudioListing(folder)
        digits, found.problems = list_digits(folder)
        digits = self._tested(digits)
        digits = with_validation(digits, fraction=self.val_fraction, seed=self.split_seed)
        for digit in digits:
            found.add(digit.path, str(digit.digit), split=digit.split, speaker=digit.speaker)
        found.given.add("test")
        held = counted(sum(digit.split == "val" for digit in digits), "recording")
        found.notes.append(f"val: {held} held out of train by digit and speaker (split_seed {self.split_seed})")
        return audio_classes(found, self, on_bad=on_bad)

    def _tested(self, digits: Sequence[Digit]) -> list[Digit]:
        if self.split == "official":
            return official_test(digits)
        speakers = sorted({digit.speaker for digit in digits})
        if self.speaker is None:
            raise RequestError(
                f"dataset.split=speaker: set the test speaker, dataset.speaker=NAME.\nThere are: {', '.join(speakers)}."
            )
        if self.speaker not in speakers:
            raise unknown("speaker", str(self.speaker), speakers)
        return [replace(digit, split="test") if digit.speaker == self.speaker else digit for digit in digits]


def fsdd_folder(root: str | None) -> Path:
    """The folder of the recordings. Raises RequestError when it is not there."""
    return published(
        "fsdd",
        root,
        inner=("recordings",),
        files="the folder recordings of free-spoken-digit-dataset (github.com/Jakobovski)",
    )


def list_digits(folder: Path) -> tuple[list[Digit], list[Problem]]:
    """The recordings in a folder by name, all of train, and files that have no such name."""
    digits, problems = [], []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".wav" or path.name.startswith("."):
            continue
        name = _NAME.fullmatch(path.name)
        if name:
            digits.append(Digit(path, int(name[1]), name[2], int(name[3])))
        else:
            problems.append(Problem(str(path), "not named DIGIT_SPEAKER_INDEX.wav"))
    if not digits:
        raise RequestError(f"{folder} has no recordings named DIGIT_SPEAKER_INDEX.wav, such as 7_jackson_32.wav.")
    return digits, problems


def official_test(digits: Sequence[Digit]) -> list[Digit]:
    """The same, those of index 0 to 4 being test."""
    return [replace(digit, split="test") if digit.index < _TESTED else digit for digit in digits]


def with_validation(digits: Sequence[Digit], *, fraction: float, seed: int) -> list[Digit]:
    """The same, about this share of train being val: of every digit of every speaker, drawn by what is in the file."""
    rows = [row for row, digit in enumerate(digits) if digit.split == "train"]
    names = sorted({f"{digits[row].digit} by {digits[row].speaker}" for row in rows})
    numbers = {name: number for number, name in enumerate(names)}
    held = hold_out(
        labels=np.array([numbers[f"{digits[row].digit} by {digits[row].speaker}"] for row in rows], dtype=np.int64),
        keys=[_content(digits[row].path) for row in rows],
        fractions={"val": fraction},
        seed=seed,
        class_names=names,
    )
    validated = {rows[row] for row in held["val"].tolist()}
    return [replace(digit, split="val") if row in validated else digit for row, digit in enumerate(digits)]


def _content(path: Path) -> str:
    """A file's digest; its name, when it cannot be read: what is wrong with it is reported later."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return path.name
