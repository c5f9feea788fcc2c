"""The source files of Python's own standard library, which every installation has: nothing to download."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad, counted
from sensorium.data.settings import check_fractions
from sensorium.data.text.running import RunningText, make_language_data
from sensorium.data.text.text_settings import RunningTextSettings
from sensorium.errors import RequestError
from sensorium.files import user_path
from sensorium.randomness import generator

# Not of the library itself, or code that is there to be tested.
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "lib2to3"})


@dataclass(frozen=True, kw_only=True)
class PythonSource(RunningTextSettings):
    """Files are drawn by data_seed until there are max_bytes, and belong to one split each. They change with the
    version of Python.

    val_fraction, test_fraction: shares of the bytes drawn. folder: of the library; null for the one that runs.
    """

    task = "language_modelling"

    folder: str | None
    max_bytes: int
    data_seed: int
    val_fraction: float
    test_fraction: float

    def check(self) -> None:
        super().check()
        check_fractions(val_fraction=self.val_fraction, test_fraction=self.test_fraction)

    def load(self, *, on_bad: OnBad) -> Data:
        files = self._drawn()
        if len(files) < 3:
            raise RequestError(
                f"{self._library} and dataset.max_bytes={self.max_bytes} give {counted(len(files), 'source file')};"
                " each of the three splits needs one."
            )
        text, cuts = RunningText("python_source"), []
        for split in self._divide(files):
            cuts.append(len(text))
            for path in split:
                text.add_file(path)
        text.notes.append(f"{counted(len(files), 'file')} of Python {platform.python_version()}; each in one split")
        return make_language_data(text, self, cuts=cuts[1:], on_bad=on_bad)

    @property
    def _library(self) -> Path:
        return user_path(self.folder) if self.folder else Path(os.__file__).parent

    def _drawn(self) -> list[Path]:
        """Files in the order drawn, as many as fit into max_bytes."""
        found = sorted(_sources(self._library))
        drawn, room = [], self.max_bytes
        for number in generator(self.data_seed).permutation(len(found)):
            size = found[number].stat().st_size
            if 0 < size <= room:
                drawn.append(found[number])
                room -= size
        return drawn

    def _divide(self, files: list[Path]) -> list[list[Path]]:
        """The files of train, val and test, at least one each; in each split by name."""
        sizes = {path: path.stat().st_size for path in files}
        total, left = sum(sizes.values()), list(files)
        held: list[list[Path]] = []
        for fraction in (self.test_fraction, self.val_fraction):
            chosen, room = [], fraction * total
            for path in reversed(left):
                if sizes[path] <= room:
                    chosen.append(path)
                    room -= sizes[path]
            chosen = chosen or [min(left, key=sizes.__getitem__)]
            left = [path for path in left if path not in chosen]
            held.append(chosen)
        test, val = held
        return [sorted(left), sorted(val), sorted(test)]


def _sources(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        found += [Path(place) / name for name in files if name.endswith(".py")]
    return found
