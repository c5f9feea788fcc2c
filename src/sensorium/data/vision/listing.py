"""The listing of a source: image files."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.io.paths import existing
from sensorium.data.listing import Listing
from sensorium.data.shards.samples import FromShards, Members
from sensorium.data.strings import Strings
from sensorium.vision.decode import Source, is_turned, source_name


class ImageListing(Listing):
    """Image files one after the other."""

    unit = "image"

    def __init__(self, source: str | Path) -> None:
        super().__init__(source)
        self.paths: list[Path] = []

    def add(self, path: Path, target: Any, *, split: str = "", source: str = "", line: int = 0) -> None:
        """An image, and what is to be predicted for it. split: train, val, test, or "" when unknown. source, line:
        where it is written, for messages; "" takes the file itself.
        """
        self.paths.append(path)
        self._append(target, split, source or str(path), line)

    @property
    def files(self) -> Sequence[Path] | Members:
        """The file of each."""
        return self.paths

    @property
    def masks(self) -> Sequence[Path] | Members:
        """The mask of each, where targets are masks."""
        return self.targets

    def training(self) -> Sequence[Path] | Members:
        """Those of train, by name: the order in which a sample of them is drawn."""
        return sorted(self.paths[row] for row in self.rows("train").tolist())

    @property
    def names(self) -> Sequence[str]:
        return PathNames(self.paths)


class ShardImages(FromShards, ImageListing):
    """Images in shards."""

    @property
    def files(self) -> Members:
        return self.members

    @cached_property
    def masks(self) -> Members:
        return Members(self.shards, np.array(self.targets, np.int64))

    def training(self) -> Members:
        return self.members.subset(self.rows("train"))

    @property
    def names(self) -> Sequence[str]:
        return self.places


class PathNames(Strings):
    """Paths as strings."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def at(self, row: int) -> str:
        return str(self._paths[row])


def unlike_size(image: Source, said: tuple[int, int], size: tuple[int, int]) -> str:
    """What is wrong where an annotation or mask of an image is of another (height, width) than the image."""
    turned = " (as displayed, after EXIF rotation)" if is_turned(image) else ""
    return f"size {said[1]} x {said[0]} (width x height), but {source_name(image)} has {size[1]} x {size[0]}{turned}"


def image_root(given: str | None, *, key: str = "root") -> Path:
    """The folder that dataset.KEY names. For a table, the RequestError says which dataset reads it."""
    hint = "Unpack it first, if it is an archive."
    if given is not None and Path(given).suffix.lower() in (".csv", ".tsv", ".txt"):
        hint = f"For a list of files and labels use dataset=image_csv dataset.path={given}."
    return existing(key, given, what="folder", hint=hint)
