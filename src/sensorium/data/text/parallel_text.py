"""Two files of sentences, line by line: line 17 of one is the translation of line 17 of the other."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad
from sensorium.data.io.text_files import read_lines
from sensorium.data.text.pairs import PairSettings, SentencePairs
from sensorium.errors import RequestError
from sensorium.files import meant


class ParallelText:
    """train, val, test: beginnings of paths: `data/train` with source `en` and target `de` stands for data/train.en and
    data/train.de, or the same with .gz. Without val or test they are held out of train. encoding: null for UTF-8.
    """

    task = "translation"

    def __init__(
        self,
        *,
        train: str | None,
        val: str | None,
        test: str | None,
        source: str,
        target: str,
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
        self._prefixes = {"train": train, "val": val, "test": test}
        self._languages = (source, target)
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
        if self._prefixes["train"] is None:
            raise RequestError(
                "dataset.train is not set. Give what two paths begin with:\n"
                "dataset.train=data/train dataset.source=en dataset.target=de reads data/train.en and data/train.de."
            )
        found = SentencePairs(self._prefixes["train"])
        for part, prefix in self._prefixes.items():
            if prefix is not None:
                add_files(found, prefix, self._languages, part=part, key=part, encoding=self._encoding)
        return self._settings.make(found, on_bad)


def add_files(
    found: SentencePairs,
    prefix: str | Path,
    languages: tuple[str, str],
    *,
    part: str,
    key: str,
    encoding: str | None = None,
) -> None:
    """Adds the pairs of PREFIX.SOURCE and PREFIX.TARGET. key: the setting that named them, for errors.

    Raises RequestError when a file is not there, and when one has more lines than the other.
    """
    files = [_file(prefix, language, key) for language in languages]
    counts = [0, 0]

    def numbered(side: int) -> Iterator[str]:
        for line in read_lines(files[side], encoding=encoding):
            counts[side] += 1
            yield line

    for line, (source, target) in enumerate(zip_longest(numbered(0), numbered(1)), start=1):
        if source is not None and target is not None:
            found.add(source, target, place=str(files[0]), line=line, part=part)
    if counts[0] != counts[1]:
        raise RequestError(
            f"{files[0]} has {counts[0]:,} lines and {files[1]} has {counts[1]:,}: they cannot be translations of each"
            " other,\nline by line. Bring them to the same number of lines."
        )


def _file(prefix: str | Path, language: str, key: str) -> Path:
    plain = Path(f"{prefix}.{language}").expanduser()
    packed = Path(f"{plain}.gz")
    for path in (plain, packed):
        if path.is_file():
            return path
    raise RequestError(
        f"dataset.{key}={prefix}: there is neither {plain} nor {packed.name}.{meant(plain)}\n"
        "A path without its last part, the language, is needed; dataset.source and dataset.target give the languages."
    )
