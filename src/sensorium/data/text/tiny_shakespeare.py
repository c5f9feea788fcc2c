"""Tiny Shakespeare: 1,115,394 characters of his plays, from A. Karpathy's char-rnn (2015)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.text.running import LanguageSettings, RunningText

_CUTS = (0.9 * 0.95, 0.9)


class TinyShakespeare:
    """root: the folder with input.txt, or the file itself. test is the last tenth, which others call validation."""

    task = "language_modelling"

    def __init__(
        self,
        *,
        root: str | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        context: int,
    ) -> None:
        self._root = root
        self._settings = LanguageSettings(
            tokenizer=tokenizer, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase, context=context
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self._root, what="file or folder")
        path = existing("root", str(Path(root) / "input.txt")) if root.is_dir() else root
        text = RunningText(str(path))
        text.add_file(path)
        text.notes.append(
            "test: the last 10 % of the text, on which the literature reports validation losses;"
            " val: the last 5 % of the rest, to choose a model by"
        )
        return self._settings.make(text, on_bad, cuts=_CUTS)
