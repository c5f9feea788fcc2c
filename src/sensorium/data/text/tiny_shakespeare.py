"""Tiny Shakespeare: 1,115,394 characters of his plays, from A. Karpathy's char-rnn (2015)."""

from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.text.running import RunningText, make_language_data
from sensorium.data.text.text_settings import RunningTextSettings

_CUTS = (0.9 * 0.95, 0.9)


@dataclass(frozen=True, kw_only=True)
class TinyShakespeare(RunningTextSettings):
    """root: the folder with input.txt, or the file itself. test is the last tenth, which others call validation."""

    task = "language_modelling"

    root: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="file or folder")
        path = existing("root", str(Path(root) / "input.txt")) if root.is_dir() else root
        text = RunningText(str(path))
        text.add_file(path)
        text.notes.append(
            "test: the last 10% of the text, on which the literature reports validation losses;"
            " val: the last 5% of the rest, for model selection"
        )
        return make_language_data(text, self, cuts=_CUTS, on_bad=on_bad)
