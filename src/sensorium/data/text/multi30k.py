"""Multi30k: captions of images in English, translated into German and other languages, one sentence a line.

D. Elliott et al., "Multi30K: Multilingual English-German Image Descriptions", 2016, arXiv 1605.00459.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sensorium.data.base import Data, OnBad, counted
from sensorium.data.io.paths import existing
from sensorium.data.text.pairs import PairListing, translated
from sensorium.data.text.parallel_text import add_files
from sensorium.data.text.text_settings import PairSettings
from sensorium.errors import RequestError, listing, unknown
from sensorium.files import visible

_FOLDERS = ("", "data/task1/raw", "task1/raw", "raw")  # inside of root, as the repository has them
_TOKENIZED = ".lc.norm.tok"  # behind the names in data/task1/tok
# What copies call the sets, beside the publisher's names.
_OTHERS = {
    "train": ("training",),
    "val": ("valid", "validation"),
    "test_2016_flickr": ("test2016", "test_2016", "test"),
}


@dataclass(frozen=True, kw_only=True)
class Multi30k(PairSettings):
    """root: the folder with train.en.gz, val.en.gz, test_2016_flickr.en.gz and the same of other languages, packed or
    plain, which is task 1 of github.com/multi30k/dataset: its root or data/task1/raw or data/task1/tok, or a copy with
    valid.* and test.* or test2016.* (the test set of 2016). test: which of the test sets.
    """

    task = "translation"
    published: ClassVar[bool] = True

    root: str | None
    source: str
    target: str
    test: str

    def check(self) -> None:
        super().check()
        if self.source == self.target:
            raise RequestError(f"dataset.source and dataset.target are both {self.source}: give two languages.")

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="folder")
        folder = next((root / name for name in _FOLDERS if _sets(root / name)), root)
        there = _sets(folder)
        found = PairListing(root)
        read: set[str] = set()
        for split, name in (("train", "train"), ("val", "val"), ("test", self.test)):
            file = next((one for one in _candidates(name) if one in there), name)
            if split == "test" and there and file not in there:
                raise unknown("test set here", self.test, {one for one in there if one.startswith("test")})
            if file != name:
                found.notes.append(f"{folder}: {file}.* is used as {name}")
            read |= {f"{file}.{language}" for language in (self.source, self.target)}
            add_files(found, folder / file, (self.source, self.target), split=split, key="root", encoding_key=None)
        found.notes += _not_read(folder, read)
        found.notes.append(f"translates {self.source} to {self.target} (dataset.source, dataset.target)")
        return translated(found, self, on_bad=on_bad)


def _candidates(name: str) -> Iterator[str]:
    for one in (name, *_OTHERS.get(name, ())):
        yield one
        yield f"{one}{_TOKENIZED}"


def _sets(folder: Path) -> set[str]:
    """What the names of parallel files begin with: train, val, test_2016_flickr ..."""
    names = [path.name.removesuffix(".gz") for path in folder.iterdir()] if folder.is_dir() else []
    found = (re.fullmatch(r"((?:train|val|test)\w*(?:\.lc\.norm\.tok)?)\.[a-z]{2}", name) for name in names)
    return {match[1] for match in found if match}


def _not_read(folder: Path, read: set[str]) -> list[str]:
    others = [path.name for path in sorted(folder.iterdir()) if path.is_file() and visible(path.name)]
    others = [name for name in others if name.removesuffix(".gz") not in read]
    return [f"{folder}: {counted(len(others), 'file')} not read: {listing(others, limit=6)}"] if others else []
