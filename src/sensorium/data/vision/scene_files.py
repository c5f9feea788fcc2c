"""What data sets of picture files with boxes and with masks have in common: sizes, the cache, repeats, the parts."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.data.base import Problem, counted
from sensorium.data.cache import CachedImages, cached_images
from sensorium.data.duplicates import PARTS, find_duplicates, without
from sensorium.data.splits import hold_out
from sensorium.data.vision.settings import PictureSettings, choose_channels, room_note
from sensorium.data.vision.store import Subset
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import Resize
from sensorium.vision.decode import UnreadableImage, is_grey, probe_size

_SAMPLE = 64  # pictures looked at to choose the number of channels
_LARGEST = 512  # pixels of a side that nobody asked for
_STEP = 32  # sides that have to be chosen are multiples of it, which most networks halve five times


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture. part: train, val, test, or "" when nobody said. place: the file, or what names it, as file:line."""

    path: Path
    part: str
    place: str

    def problem(self, what: str) -> Problem:
        return Problem(self.place, what if self.place == str(self.path) else f"{self.path}: {what}")


@dataclass(frozen=True)
class Pictures:
    """The pictures of N files, decoded. sizes: (N, 2) int64, height and width before they were fitted."""

    files: Sequence[PictureFile]
    images: CachedImages
    sizes: np.ndarray
    image_size: tuple[int, int]
    resize: Resize
    notes: list[str]

    @property
    def parts(self) -> np.ndarray:
        """(N,) int64, which of PARTS each file is in; those that nobody put into one are in train so far."""
        return np.array([PARTS.index(file.part or "train") for file in self.files], dtype=np.int64)

    def repeats(self, bad: Mapping[int, str]) -> tuple[dict[int, str], list[str]]:
        """The rows to leave out because another part has the same picture (row -> why), and notes.

        bad: rows that are left out already.
        """
        return find_duplicates(
            digests=self.images.digests,
            labels=None,
            parts=self.parts,
            places=[str(file.path) for file in self.files],
            rows=without(np.arange(len(self.files)), dict(bad)),
            copies="pictures that are copies of another of the same part",
        )

    def split_arguments(self, rows: np.ndarray) -> dict[str, Any]:
        """What a split of these rows is made with, whatever is marked in its pictures."""
        return {
            "images": Subset(self.images.store, rows),
            "names": [str(self.files[row].path) for row in rows],
            "sizes": self.sizes[rows],
            "resize": self.resize,
        }

    def spec_arguments(self, train: np.ndarray) -> dict[str, Any]:
        """What a spec is made with. train: the rows whose mean and deviation count."""
        mean, std = self.images.statistics(train)
        return {
            "in_channels": self.images.store.shape[0],
            "image_size": self.image_size,
            "mean": mean,
            "std": std,
            "resize": self.resize,
        }


class SceneSettings(PictureSettings):
    """Of picture files with boxes or masks."""

    def read(self, files: Sequence[PictureFile], source: Path) -> Pictures:
        """All pictures through the cache. source: the folder or file that named them, for messages."""
        sizes = _probed(files)
        usable = [row for row, file in enumerate(files) if file.part in ("", "train") and sizes[row].any()]
        if not usable:
            raise RequestError(f"{source} has no readable training picture; the first is {files[0].path}.")
        image_size, notes = self._image_size, []
        if image_size is None:
            image_size, why = scene_size(sizes[usable])
            notes.append(why)
        if self._channels == "auto":
            channels, why = self._count_channels([files[row].path for row in usable])
            notes.append(why)
        else:
            channels = self._channels
        images = cached_images(
            [file.path for file in files],
            image_size=image_size,
            in_channels=channels,
            resize=self._resize,
            cache_bytes=self._cache_bytes,
        )
        return Pictures(files, images, sizes, image_size, self._resize, [*notes, *room_note(images)])

    def _count_channels(self, paths: Sequence[Path]) -> tuple[int, str]:
        drawn = generator(self._split_seed).permutation(len(paths))[:_SAMPLE]
        grey = []
        for path in sorted(paths[row] for row in drawn):
            try:
                grey.append(is_grey(path))
            except UnreadableImage:  # a head that can be read before a body that cannot; said when all are decoded
                continue
        return choose_channels(grey)

    def divide(
        self, pictures: Pictures, bad: Mapping[int, str], source: Path
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The rows of each part without the bad ones (row -> why), and notes.

        Parts that no file belongs to are held out of train.
        """
        files, numbers = pictures.files, pictures.parts
        rows = without(np.arange(len(files)), dict(bad))
        parts = {part: rows[numbers[rows] == number] for number, part in enumerate(PARTS)}
        given = {file.part or "train" for file in files}
        for part in PARTS:
            if part in given and not len(parts[part]):
                first = next(f"\nThe first problem: {files[row].path}: {what}" for row, what in sorted(bad.items()))
                raise RequestError(f"{source} has no usable pictures left in {part}.{first}")
        missing = {part: share for part, share in self._fractions.items() if part not in given}
        train = parts["train"]
        keys = [pictures.images.digests[row].tobytes().hex() for row in train]
        if len(set(keys)) <= len(missing):
            raise RequestError(
                f"{source} has {counted(len(set(keys)), 'different picture')} of train: too few to hold out"
                f" {' and '.join(missing)}. Add some, or say which belong to which part."
            )
        held_out = hold_out(
            labels=np.zeros(len(train), dtype=np.int64),
            keys=keys,
            fractions=missing,
            seed=self._split_seed,
            class_names=("picture",),
        )
        parts |= {part: train[chosen] for part, chosen in held_out.items()}
        notes = [
            f"{part}: {len(parts[part]):,} pictures held out of train (split_seed {self._split_seed})"
            for part in missing
        ]
        return parts, notes


def scene_size(sizes: np.ndarray) -> tuple[tuple[int, int], str]:
    """(height, width) for pictures of sizes (N, 2), and why.

    Their own when all have one, up to 512 pixels a side; else their median height and width, made smaller until both
    are at most 512, each rounded down to a multiple of 32.
    """
    looked = f"{len(sizes):,} training pictures"
    if (sizes == sizes[0]).all() and sizes[0].max() <= _LARGEST:
        height, width = sizes[0].tolist()
        return (height, width), f"image_size: {height} x {width}, the size of all {looked}"
    middle = np.median(sizes, axis=0)
    sides = middle * min(1.0, _LARGEST / middle.max())
    height, width = (max(_STEP, int(side) // _STEP * _STEP) for side in sides)
    return (height, width), (
        f"image_size: {height} x {width}, for {middle[0]:.0f} x {middle[1]:.0f} is the median of {looked};"
        " dataset.image_size sets another"
    )


def _probed(files: Sequence[PictureFile]) -> np.ndarray:
    """(N, 2) int64 height and width of each, from the heads of the files; zeros for one that cannot be read."""

    def probe(file: PictureFile) -> tuple[int, int]:
        try:
            with file.path.open("rb") as head:
                return probe_size(head)
        except (UnreadableImage, OSError):  # said when all are decoded
            return 0, 0

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return np.array(list(pool.map(probe, files)), dtype=np.int64).reshape(-1, 2)
