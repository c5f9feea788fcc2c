"""The source files of Python's own standard library, which every installation has: nothing to download."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, check_fractions, counted
from sensorium.data.text.running import LanguageSettings, RunningText
from sensorium.errors import RequestError
from sensorium.randomness import generator

# Not of the library itself, or code that is there to be tested.
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3"})


class PythonSource:
    """Files are drawn by data_seed until there are max_bytes, and belong to one part each. They change with the
    version of Python.

    val_fraction, test_fraction: shares of the bytes drawn. folder: of the library; null for the one that runs.
    """

    task = "language_modelling"

    def __init__(
        self,
        *,
        folder: str | None,
        max_bytes: int,
        data_seed: int,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        context: int,
        val_fraction: float,
        test_fraction: float,
    ) -> None:
        check_fractions(val_fraction=val_fraction, test_fraction=test_fraction)
        self._folder = Path(folder).expanduser() if folder else Path(os.__file__).parent
        self._max_bytes, self._seed = max_bytes, data_seed
        self._fractions = (test_fraction, val_fraction)
        self._settings = LanguageSettings(
            tokenizer=tokenizer, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase, context=context
        )

    def load(self, *, on_bad: OnBad) -> Data:
        files = self._drawn()
        if len(files) < 3:
            raise RequestError(
                f"{self._folder} and dataset.max_bytes={self._max_bytes} give {counted(len(files), 'source file')};"
                " each of the three parts needs one."
            )
        text, cuts = RunningText("python_source"), []
        for part in self._divide(files):
            cuts.append(len(text))
            for path in part:
                text.add_file(path)
        text.notes.append(f"{counted(len(files), 'file')} of Python {platform.python_version()}; each in one part")
        return self._settings.make(text, on_bad, cuts=cuts[1:])

    def _drawn(self) -> list[Path]:
        """Files in the order drawn, as many as fit into max_bytes."""
        found = sorted(_sources(self._folder))
        drawn, room = [], self._max_bytes
        for number in generator(self._seed).permutation(len(found)):
            size = found[number].stat().st_size
            if 0 < size <= room:
                drawn.append(found[number])
                room -= size
        return drawn

    def _divide(self, files: list[Path]) -> list[list[Path]]:
        """The files of train, val and test, at least one each; in each part by name."""
        sizes = {path: path.stat().st_size for path in files}
        total, left = sum(sizes.values()), list(files)
        held: list[list[Path]] = []
        for fraction in self._fractions:
            part, room = [], fraction * total
            for path in reversed(left):
                if sizes[path] <= room:
                    part.append(path)
                    room -= sizes[path]
            part = part or [min(left, key=sizes.__getitem__)]
            left = [path for path in left if path not in part]
            held.append(part)
        test, val = held
        return [sorted(left), sorted(val), sorted(test)]


def _sources(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        found += [Path(place) / name for name in files if name.endswith(".py")]
    return found
