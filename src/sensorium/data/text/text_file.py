"""A text file, or a folder of them, for language modeling."""

from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad, counted
from sensorium.data.io.paths import existing
from sensorium.data.settings import check_fractions
from sensorium.data.text.running import RunningText, make_language_data
from sensorium.data.text.text_settings import RunningTextSettings
from sensorium.errors import RequestError, listing
from sensorium.files import walk


@dataclass(frozen=True, kw_only=True)
class RunningTextHoldOut(RunningTextSettings):
    """val_fraction, test_fraction: shares of the characters; the last ones are test, those before them val."""

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

    @property
    def cuts(self) -> tuple[float, float]:
        """Where val and test begin."""
        return (1 - self.val_fraction - self.test_fraction, 1 - self.test_fraction)


@dataclass(frozen=True, kw_only=True)
class TextFile(RunningTextHoldOut):
    """path: a file, or a folder of which all files that end in `suffix` are read in the order of their names. encoding:
    null takes UTF-8, or UTF-16 when the file begins with its mark.
    """

    task = "language_modelling"

    path: str | None
    suffix: str
    encoding: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing("path", self.path, what="file or folder")
        text = RunningText(str(path))
        for file in self._files(path, text):
            text.add_file(file, encoding=self.encoding)
        if not len(text):
            first = f" The first problem: {text.problems[0]}" if text.problems else ""
            raise RequestError(f"{path} holds no text.{first}")
        text.notes.append("val and test: the end of the text, in order")
        return make_language_data(text, self, cuts=self.cuts, on_bad=on_bad)

    def _files(self, path: Path, text: RunningText) -> list[Path]:
        """The file, or those of the folder; what else is in the folder is noted."""
        if path.is_file():
            return [path]
        there, loops = walk(path)
        files = [file for file in there if file.name.endswith(self.suffix)]
        others = [file for file in there if not file.name.endswith(self.suffix)]
        if others:
            kinds = listing(sorted({file.suffix or "no suffix" for file in others}), limit=10)
            text.notes.append(f"{path}: {counted(len(others), 'file')} not read ({kinds}), such as {others[0]}")
        text.notes += [f"{link}: a link that leads back to a folder it lies in; not followed" for link in loops]
        if not files:
            raise RequestError(
                f"dataset.path={path} has no files that end in {self.suffix!r}; dataset.suffix=ENDING names another."
            )
        return files
