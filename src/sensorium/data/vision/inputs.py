"""Image files through the cache: their size and channels chosen, decoded once, and inspected."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from sensorium.data.base import first_problem
from sensorium.data.pipeline import Rows
from sensorium.data.shards.samples import Members
from sensorium.data.strings import Picked
from sensorium.data.vision.cache import cached_images
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.listing import ImageListing
from sensorium.data.vision.pixel_range import range_of
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.vision.decode import UnreadableImage, is_grey, probe_size

_SAMPLE = 64  # images inspected to choose size and channels
_LARGEST_NATIVE = 256  # pixels; images of one common size up to this are taken at that size
_LARGEST_SCENE = 512  # the same, of images with boxes or masks
_STEP = 32  # sides that have to be chosen are multiples of it, which most networks halve five times

Size = tuple[int, int]  # height, width


class ImageInputs:
    """Images at one size. size: (height, width). pixel_range: of those of more than 8 bits, None where none is one.
    reading: notes on how that changes their values.
    """

    shared = "content"

    def __init__(self, found: ImageListing, settings: ImageFileSettings) -> None:
        found.need()
        self._found, self._settings, self.notes = found, settings, []
        self.size, channels = self._choose()
        self.pixel_range, self.reading = range_of(settings.pixel_range, self._sampled(found.training()))
        self.notes += self.reading
        self._images = cached_images(
            found.files,
            image_size=self.size,
            in_channels=channels,
            resize=settings.resize,
            pixel_range=self.pixel_range,
            cache_bytes=settings.cache_bytes,
        )
        self.digests = self.keys = self._images.digests
        self.unusable = dict(self._images.unreadable)
        if self._images.cached < len(found):
            self.notes.append(
                f"{self._images.cached:,} of {len(found):,} images are kept decoded; dataset.cache_bytes has no room"
                " for the others, which are decoded at each read"
            )

    def fit(self, rows: Rows) -> dict[int, str]:
        self._statistics = self._images.statistics(rows["train"])
        return {}

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        return {"images": self._images.store.subset(rows), "names": Picked(self._found.names, rows)}

    def spec(self) -> dict[str, Any]:
        mean, std = self._statistics
        return {
            "in_channels": self._images.store.shape[0],
            "image_size": self.size,
            "mean": mean,
            "std": std,
            "resize": self._settings.resize,
            "pixel_range": self.pixel_range,
        }

    def notes_on(self, rows: Rows) -> list[str]:
        return []

    def _choose(self) -> tuple[Size, int]:
        """Size and channels as given, else from a sample of the training images."""
        paths = self._found.training()
        sizes, gray, unreadable = [], [], ""
        for path in self._sampled(paths):
            try:
                sizes.append(self._settings.size or probe_size(path))
                gray.append(self._settings.channels == "auto" and is_grey(path))
            except UnreadableImage as error:
                unreadable = str(error)
        if not gray:
            looked_at = min(len(paths), _SAMPLE)
            raise RequestError(
                f"None of the {looked_at} images inspected can be read. The last one:\n{unreadable}"
                if paths
                else f"{self._found.source} has no training images."
            )
        size = self._settings.size
        if size is None:
            size, why = usual_size(sizes)
            self.notes.append(why)
        return size, self._channels(gray)

    def _sampled(self, values: Sequence[Any]) -> list[Any]:
        drawn = np.sort(generator(self._settings.seed).permutation(len(values))[:_SAMPLE])
        return [values[row] for row in drawn.tolist()]

    def _channels(self, gray: Sequence[bool]) -> int:
        if self._settings.channels != "auto":
            return self._settings.channels
        channels = 1 if all(gray) else 3
        which = "all" if all(gray) else "not all"
        self.notes.append(f"channels: {channels}, as the {len(gray)} images inspected are {which} gray")
        return channels


class SceneInputs(ImageInputs):
    """Images with boxes or masks. sizes: (N, 2) int64, height and width before they are fitted."""

    sizes: np.ndarray

    def _choose(self) -> tuple[Size, int]:
        found = self._found
        self.sizes = _sizes(found.files)
        train = found.rows("train")
        usable = train[self.sizes[train].any(axis=1)]
        if not len(usable):
            none = f"readable training image; the first is {found.names[train[0]]}" if len(train) else "training images"
            raise RequestError(f"{found.source} has no {none}.{first_problem(found.problems)}")
        size = self._settings.size
        if size is None:
            size, why = scene_size(self.sizes[usable])
            self.notes.append(why)
        if self._settings.channels != "auto":
            return size, self._settings.channels
        gray = []
        for row in self._sampled(usable.tolist()):
            try:
                gray.append(is_grey(found.files[row]))
            except UnreadableImage:  # a head that can be read before a body that cannot; reported when all are decoded
                continue
        return size, self._channels(gray)

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        return {**super().columns(rows), "sizes": self.sizes[rows], "resize": self._settings.resize}


def usual_size(sizes: Sequence[Size]) -> tuple[Size, str]:
    """(height, width) for images of these sizes, and why.

    Their own size when all have one, up to 256 pixels a side; else a square of their median shorter side, rounded down
    to a multiple of 32, between 32 and 224.
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= _LARGEST_NATIVE:
        height, width = sizes[0]
        return sizes[0], f"image_size: {height} x {width}, the size of all {len(sizes)} images inspected"
    middle = int(np.median([min(size) for size in sizes]))
    side = min(224, max(_STEP, middle // _STEP * _STEP))
    return (side, side), (
        f"image_size: {side} x {side}, for the median shorter side of {len(sizes)} images inspected is {middle};"
        " dataset.image_size sets another"
    )


def scene_size(sizes: np.ndarray) -> tuple[Size, str]:
    """(height, width) for images of sizes (N, 2), and why.

    Their own when all have one, up to 512 pixels a side; else their median height and width, made smaller until both
    are at most 512, each rounded down to a multiple of 32.
    """
    looked = f"{len(sizes):,} training images"
    if (sizes == sizes[0]).all() and sizes[0].max() <= _LARGEST_SCENE:
        height, width = sizes[0].tolist()
        return (height, width), f"image_size: {height} x {width}, the size of all {looked}"
    middle = np.median(sizes, axis=0)
    sides = middle * min(1.0, _LARGEST_SCENE / middle.max())
    height, width = (max(_STEP, int(side) // _STEP * _STEP) for side in sides)
    return (height, width), (
        f"image_size: {height} x {width}, for {middle[0]:.0f} x {middle[1]:.0f} is the median of {looked};"
        " dataset.image_size sets another"
    )


def _sizes(files: Sequence[Path] | Members) -> np.ndarray:
    """(N, 2) int64 height and width of each, from the heads of the files; zeros for one that cannot be read."""

    def probe(row: int) -> Size:
        file = files[row]
        try:
            with file.open("rb") if isinstance(file, Path) else file as head:
                return probe_size(head)
        except (UnreadableImage, OSError):  # reported when all are decoded
            return 0, 0

    def probed() -> np.ndarray:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            return np.array(list(pool.map(probe, range(len(files)))), dtype=np.int64).reshape(-1, 2)

    if isinstance(files, Members):
        return files.worked_out(["sizes", PIL.__version__], lambda: {"sizes": probed()})["sizes"]
    return probed()
