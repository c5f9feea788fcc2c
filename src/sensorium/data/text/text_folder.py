"""A folder of text files with one folder for each class, such as the reviews of aclImdb.

A. Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.text.labelled import LabelledSettings, LabelledTexts
from sensorium.data.text.sources import existing, read_pieces
from sensorium.errors import RequestError, listing

_PART_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation", "dev"), "test": ("test",)}
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
        for part, folder in _part_folders(root).items():
            for class_folder in _folders(folder):
                if class_folder.name == _LEFT_ASIDE:
                    found.notes.append(f"{class_folder}: left aside, it has no labels")
                else:
                    self._read(found, class_folder, part)
        if not len(found):
            first = f" The first problem: {found.problems[0]}" if found.problems else ""
            raise RequestError(
                f"dataset.root={root} holds no usable text.{first}\n"
                f"Expected: {root}/CLASS/NAME.txt or {root}/train/CLASS/NAME.txt. For a table say dataset=text_csv."
            )
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


def _part_folders(root: Path) -> dict[str, Path]:
    """The folder of each part; {"": root} when root holds the class folders themselves."""
    folders: dict[str, Path] = {}
    for folder in _folders(root):
        for part, names in _PART_FOLDERS.items():
            if folder.name.lower() in names:
                if part in folders:
                    raise RequestError(
                        f"{root} has two {part} folders: {folders[part].name} and {folder.name}. Keep one."
                    )
                folders[part] = folder
    if folders and "train" not in folders:
        raise RequestError(
            f"{root} has a folder {listing(folder.name for folder in folders.values())} but none called train."
        )
    return folders or {"": root}


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
