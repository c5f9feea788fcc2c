"""Two files of sentences, line by line: line 17 of one is the translation of line 17 of the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from sensorium.data.base import Data, OnBad
from sensorium.data.io.text_files import KEY, read_lines, wrong_bytes
from sensorium.data.settings import HoldOut
from sensorium.data.text.pairs import PairListing, refuse_other_formats, translated
from sensorium.data.text.text_settings import PairSettings
from sensorium.errors import RequestError
from sensorium.files import meant, user_path


@dataclass(frozen=True, kw_only=True)
class ParallelText(PairSettings, HoldOut):
    """train, val, test: beginnings of paths: `data/train` with source `en` and target `de` stands for data/train.en and
    data/train.de, or the same with .gz. Without val or test they are held out of train. encoding: null for UTF-8.
    """

    task = "translation"

    train: str | None
    val: str | None
    test: str | None
    source: str
    target: str
    encoding: str | None

    def check(self) -> None:
        super().check()
        if self.source == self.target:
            raise RequestError(f"dataset.source and dataset.target are both {self.source}: give two languages.")

    def load(self, *, on_bad: OnBad) -> Data:
        if self.train is None:
            raise RequestError(
                "dataset.train is not set. Give what two paths begin with:\n"
                "dataset.train=data/train dataset.source=en dataset.target=de reads data/train.en and data/train.de."
            )
        found = PairListing(self.train)
        found.notes.append(f"translates {self.source} to {self.target} (dataset.source, dataset.target)")
        for split, prefix in (("train", self.train), ("val", self.val), ("test", self.test)):
            if prefix is not None:
                refuse_other_formats(Path(prefix))
                add_files(found, prefix, (self.source, self.target), split=split, key=split, encoding=self.encoding)
        return translated(found, self, on_bad=on_bad)


def add_files(
    found: PairListing,
    prefix: str | Path,
    languages: tuple[str, str],
    *,
    split: str,
    key: str,
    encoding: str | None = None,
    encoding_key: str | None = KEY,
) -> None:
    """Adds the pairs of PREFIX.SOURCE and PREFIX.TARGET. key: the setting that named them, for errors; encoding_key:
    the one that names their encoding, None for none.

    Raises RequestError when a file is not there, and when one has more lines than the other.
    """
    files = [_file(prefix, language, key) for language in languages]
    counts = [0, 0]

    def numbered(side: int) -> Iterator[str]:
        for line in read_lines(files[side], encoding=encoding, key=encoding_key):
            counts[side] += 1
            yield line

    for line, (source, target) in enumerate(zip_longest(numbered(0), numbered(1)), start=1):
        if source is None or target is None:
            continue
        wrong = [wrong_bytes(text, encoding=encoding or "utf-8", key=encoding_key) for text in (source, target)]
        for file, what in zip(files, wrong, strict=True):
            if what:
                found.refused(str(file), line, what, split=split)
        if not any(wrong):
            found.add(source, target, place=str(files[0]), line=line, split=split)
    if counts[0] != counts[1]:
        raise RequestError(
            f"{files[0]} has {counts[0]:,} lines and {files[1]} has {counts[1]:,}: they cannot be translations of each"
            " other,\nline by line. Bring them to the same number of lines."
        )


def _file(prefix: str | Path, language: str, key: str) -> Path:
    plain = user_path(f"{prefix}.{language}")
    packed = Path(f"{plain}.gz")
    for path in (plain, packed):
        if path.is_file():
            return path
    near = re.sub(rf"\.{re.escape(language)}(\.gz)?\?$", "?", meant(plain))  # what two paths begin with
    raise RequestError(
        f"dataset.{key}={prefix}: there is neither {plain} nor {packed.name}.{near}\n"
        "A path without its last part, the language, is needed; dataset.source and dataset.target give the languages."
    )
