"""A text file, or a folder of them, for language modelling."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.settings import check_fractions
from sensorium.data.text.running import RunningText, make_language_data
from sensorium.data.text.text_settings import RunningTextSettings
from sensorium.errors import RequestError
from sensorium.files import refuse_whole_system


@dataclass(frozen=True, kw_only=True)
class TextFile(RunningTextSettings):
    """path: a file, or a folder of which all files that end in `suffix` are read in the order of their names.

    val_fraction, test_fraction: shares of the characters; the last ones are test, those before them val. encoding: null
    takes UTF-8, or UTF-16 when the file begins with its mark.
    """

    task = "language_modelling"

    path: str | None
    suffix: str
    encoding: str | None
    val_fraction: float
    test_fraction: float

    def check(self) -> None:
        super().check()
        check_fractions(val_fraction=self.val_fraction, test_fraction=self.test_fraction)
        if self.val_fraction + self.test_fraction >= 1:
            raise RequestError(
                f"dataset.val_fraction={self.val_fraction} and test_fraction={self.test_fraction} leave nothing for"
                " training; together they must be below 1."
            )

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing("path", self.path, what="file or folder")
        text = RunningText(str(path))
        for file in self._files(path):
            text.add_file(file, encoding=self.encoding)
        if not len(text):
            first = f" The first problem: {text.problems[0]}" if text.problems else ""
            raise RequestError(f"{path} holds no text.{first}")
        text.notes.append("val and test: the end of the text, in its order")
        cuts = (1 - self.val_fraction - self.test_fraction, 1 - self.test_fraction)
        return make_language_data(text, self, cuts=cuts, on_bad=on_bad)

    def _files(self, path: Path) -> list[Path]:
        if path.is_file():
            return [path]
        files = sorted(_under(path, self.suffix))
        if not files:
            raise RequestError(
                f"dataset.path={path} has no files that end in {self.suffix!r}; dataset.suffix=ENDING names another."
            )
        return files


def _under(folder: Path, suffix: str) -> Iterator[Path]:
    """Files in a folder and in those inside it; hidden ones, whose names begin with a dot, are left aside."""
    refuse_whole_system(folder)
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if name.endswith(suffix) and not name.startswith("."))
