"""A text file, or a folder of them, for language modelling."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, check_fractions
from sensorium.data.io.paths import existing
from sensorium.data.text.running import LanguageSettings, RunningText
from sensorium.errors import RequestError


class TextFile:
    """path: a file, or a folder of which all files that end in `suffix` are read in the order of their names.

    val_fraction, test_fraction: shares of the characters; the last ones are test, those before them val. encoding: null
    takes UTF-8, or UTF-16 when the file begins with its mark.
    """

    task = "language_modelling"

    def __init__(
        self,
        *,
        path: str | None,
        suffix: str,
        encoding: str | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        context: int,
        val_fraction: float,
        test_fraction: float,
    ) -> None:
        check_fractions(val_fraction=val_fraction, test_fraction=test_fraction)
        if val_fraction + test_fraction >= 1:
            raise RequestError(
                f"dataset.val_fraction={val_fraction} and test_fraction={test_fraction} leave nothing for training;"
                " together they must be below 1."
            )
        self._path, self._suffix, self._encoding = path, suffix, encoding
        self._cuts = (1 - val_fraction - test_fraction, 1 - test_fraction)
        self._settings = LanguageSettings(
            tokenizer=tokenizer, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase, context=context
        )

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing("path", self._path, what="file or folder")
        text = RunningText(str(path))
        for file in self._files(path):
            text.add_file(file, encoding=self._encoding)
        if not len(text):
            first = f" The first problem: {text.problems[0]}" if text.problems else ""
            raise RequestError(f"{path} holds no text.{first}")
        text.notes.append("val and test: the last parts of the text, in its order")
        return self._settings.make(text, on_bad, cuts=self._cuts)

    def _files(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path]
        files = sorted(_under(path, self._suffix))
        if not files:
            raise RequestError(
                f"dataset.path={path} has no files that end in {self._suffix!r}; dataset.suffix=ENDING names another."
            )
        return files


def _under(folder: Path, suffix: str) -> Iterator[Path]:
    """Files in a folder and in those inside it; hidden ones, whose names begin with a dot, are left aside."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if name.endswith(suffix) and not name.startswith("."))
