"""A tab-separated file of sentences and their translations, as Tatoeba's pairs come."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_lines
from sensorium.data.text.pairs import PairSettings, SentencePairs


class ParallelTsv:
    """A pair a line, without a first line of names and without quoting: what is between tabs is taken as it is.

    source_column, target_column: which of the columns, from 0; others are left aside. val_path, test_path: files like
    it that are these parts, which are held out of train otherwise. encoding: null for UTF-8.
    """

    task = "translation"

    def __init__(
        self,
        *,
        path: str | None,
        val_path: str | None,
        test_path: str | None,
        source_column: int,
        target_column: int,
        encoding: str | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        shared_vocabulary: bool,
        test_fraction: float,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        self._paths = {"train": path, "val": val_path, "test": test_path}
        self._columns = (source_column, target_column)
        self._encoding = encoding
        self._settings = PairSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            shared_vocabulary=shared_vocabulary,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        found = SentencePairs(existing("path", self._paths["train"]))
        for part, given in self._paths.items():
            if part == "train" or given is not None:
                key = "path" if part == "train" else f"{part}_path"
                self._read(found, existing(key, given), part=part)
        return self._settings.make(found, on_bad)

    def _read(self, found: SentencePairs, path: Path, *, part: str) -> None:
        source, target = self._columns
        for number, line in enumerate(read_lines(path, encoding=self._encoding), start=1):
            cells = line.split("\t")
            if not line.strip():
                continue
            if len(cells) <= max(source, target):
                what = f"{len(cells)} columns, where columns {source} and {target} (from 0) are to be read"
                found.problems.append(Problem(f"{path}:{number}", what))
            else:
                found.add(cells[source], cells[target], place=str(path), line=number, part=part)
