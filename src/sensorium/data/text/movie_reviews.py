"""Movie reviews of one sentence each, 5,331 positive and 5,331 negative ones: "MR", sentence polarity version 1.0.

B. Pang and L. Lee, "Seeing stars: exploiting class relationships for sentiment categorization", 2005. The literature
reports the mean of ten folds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_lines, wrong_bytes
from sensorium.data.settings import HoldOutVal
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_settings import TextSettings
from sensorium.errors import RequestError

FILES = {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"}

_INNER = "rt-polaritydata"  # the folder of the archive


@dataclass(frozen=True, kw_only=True)
class MovieReviews(TextSettings, HoldOutVal):
    """root: the folder with rt-polarity.pos and rt-polarity.neg, in UTF-8 or, as published, Latin-1, or the one around
    rt-polaritydata.

    Test is fold number `fold` of `folds`, drawn by class with split_seed; val is held out of the others.
    """

    task = "classification"
    published: ClassVar[bool] = True

    root: str | None
    fold: int
    folds: int

    def check(self) -> None:
        super().check()
        if self.folds < 2 or not 0 <= self.fold < self.folds:
            raise RequestError(
                f"dataset.fold={self.fold} with dataset.folds={self.folds}: give a number from 0 to"
                f" {max(self.folds, 2) - 1}."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="folder")
        root = root / _INNER if (root / _INNER).is_dir() else root
        found = TextListing(root)
        paths = {label: existing("root", str(root / name)) for label, name in FILES.items()}
        lines = {label: lines_of(path) for label, path in paths.items()}
        found.notes += uneven(lines)
        for label, path in paths.items():
            folds = fold_of(lines[label], folds=self.folds, seed=self.split_seed)
            for number, line in enumerate(lines[label], start=1):
                split = "test" if folds.get(line) == self.fold else "train"
                found.add(line, label, source=str(path), line=number, split=split)
        found.notes.append(f"test: fold {self.fold} of {self.folds} (split_seed {self.split_seed})")
        return text_classes(found, self, on_bad=on_bad, class_names=tuple(FILES))


def fold_of(lines: Sequence[str], *, folds: int, seed: int) -> dict[str, int]:
    """The fold of each different line, drawn by its content: all folds have the same size, give or take one."""
    drawn = sorted(set(lines), key=lambda line: hashlib.sha256(f"{seed}\n{line}".encode()).digest())
    return {line: number % folds for number, line in enumerate(drawn)}


def lines_of(path: Path) -> list[str]:
    """The lines of a file, packed or not, in UTF-8 or what its byte order mark says or, as published, Latin-1, without
    spaces around them.
    """
    lines = list(read_lines(path, key=None))
    if any(map(wrong_bytes, lines)):
        lines = list(read_lines(path, encoding="latin-1", key=None))
    return [line.strip() for line in lines]


def uneven(lines: Mapping[str, Sequence[str]]) -> list[str]:
    """A note where the classes, of which as many lines were published, have not as many. lines: of each class."""
    counts = {label: len(of_label) for label, of_label in lines.items()}
    if len(set(counts.values())) == 1:
        return []
    what = ", ".join(f"{count:,} {label}" for label, count in counts.items())
    return [f"lines: {what}; as many of both were published, so a file may be cut off"]
