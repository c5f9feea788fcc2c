"""A folder of text files with one folder for each class, such as the reviews of aclImdb.

A. Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.folders import inner_folders, part_folders
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_pieces
from sensorium.data.text.labelled import LabelledSettings, LabelledTexts
from sensorium.errors import RequestError

_LEFT_ASIDE = "unsup"  # aclImdb's reviews without a label


class TextFolder:
    """`root/train/CLASS/*.txt`, with `val` (or `valid`, `validation`, `dev`) and `test` beside train where there are
    any; or `root/CLASS/*.txt`. Parts that are not there are held out of train. A folder called unsup is no class.
    """

    task = "classification"

    def __init__(
        self,
        *,
        root: str | None,
        encoding: str | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        test_fraction: float,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        self._root, self._encoding = root, encoding
        self._settings = LabelledSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            test_fraction=test_fraction,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self._root, what="folder")
        found = LabelledTexts(root)
        expected = f"Expected: {root}/CLASS/NAME.txt or {root}/train/CLASS/NAME.txt. For a table say dataset=text_csv."
        folders, notes = part_folders(root, expected=expected)
        found.notes += notes
        for part, folder in folders.items():
            for class_folder in inner_folders(folder):
                if class_folder.name == _LEFT_ASIDE:
                    found.notes.append(f"{class_folder}: left aside, it has no labels")
                else:
                    self._read(found, class_folder, part)
        if not len(found):
            first = f" The first problem: {found.problems[0]}" if found.problems else ""
            raise RequestError(f"dataset.root={root} holds no usable text.{first}\n{expected}")
        return self._settings.make(found, on_bad)

    def _read(self, found: LabelledTexts, folder: Path, part: str) -> None:
        paths = sorted(path for path in folder.rglob("*.txt") if path.is_file() and not path.name.startswith("."))
        if not paths:
            found.problems.append(Problem(str(folder), "class folder without .txt files"))
        for path in paths:
            pieces = list(read_pieces(path, encoding=self._encoding))
            problems = [piece for piece in pieces if isinstance(piece, Problem)]
            if problems:
                found.problems += problems
            else:
                found.add("".join(map(str, pieces)), folder.name, source=str(path), part=part)
