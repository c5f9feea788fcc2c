"""Movie reviews of one sentence each, 5,331 positive and 5,331 negative ones: "MR", sentence polarity version 1.0.

B. Pang and L. Lee, "Seeing stars: exploiting class relationships for sentiment categorization", 2005. The literature
reports the mean of ten folds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.text.labelled import LabelledSettings, LabelledTexts
from sensorium.errors import RequestError

_FILES = {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"}


class MovieReviews:
    """root: the folder with rt-polarity.pos and rt-polarity.neg, in UTF-8 or, as published, Latin-1.

    Test is fold number `fold` of `folds`, drawn by class with split_seed; val is held out of the others.
    """

    task = "classification"

    def __init__(
        self,
        *,
        root: str | None,
        fold: int,
        folds: int,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        if folds < 2 or not 0 <= fold < folds:
            raise RequestError(
                f"dataset.fold={fold} with dataset.folds={folds}: give a number from 0 to {max(folds, 2) - 1}."
            )
        self._root, self._fold, self._folds = root, fold, folds
        self._settings = LabelledSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self._root, what="folder")
        found = LabelledTexts(root)
        for label, name in _FILES.items():
            path = existing("root", str(root / name))
            lines = _lines(path)
            folds = fold_of(lines, folds=self._folds, seed=self._settings.split_seed)
            for number, line in enumerate(lines, start=1):
                part = "test" if folds.get(line) == self._fold else "train"
                found.add(line, label, source=str(path), line=number, part=part)
        found.notes.append(f"test: fold {self._fold} of {self._folds} (split_seed {self._settings.split_seed})")
        return self._settings.make(found, on_bad, class_names=tuple(_FILES))


def fold_of(lines: Sequence[str], *, folds: int, seed: int) -> dict[str, int]:
    """The fold of each different line, drawn by its content: all folds have the same size, give or take one."""
    drawn = sorted(set(lines), key=lambda line: hashlib.sha256(f"{seed}\n{line}".encode()).digest())
    return {line: number % folds for number, line in enumerate(drawn)}


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return [line.strip() for line in text.removesuffix("\n").split("\n")]
