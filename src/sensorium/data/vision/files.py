"""From a list of labelled picture files to data: size and channels, the cache, the checks, and the three parts."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.base import Data, OnBad, class_order, refuse
from sensorium.data.cache import CachedImages, cached_images
from sensorium.data.duplicates import PARTS
from sensorium.data.splits import hold_out
from sensorium.data.vision.checks import sound_rows
from sensorium.data.vision.listed import FileList, need_two_classes
from sensorium.data.vision.settings import PictureSettings, choose_channels, room_note
from sensorium.data.vision.store import ImageSplit, Subset
from sensorium.errors import RequestError
from sensorium.randomness import generator
from sensorium.specs import ImageClassificationSpec
from sensorium.vision.decode import UnreadableImage, is_grey, probe_size

_SAMPLE = 64  # pictures looked at to choose size and channels
_LARGEST_NATIVE = 256  # pixels; pictures of one common size up to this are taken at that size


class FileSettings(PictureSettings):
    """Of labelled picture files: `make` reads, validates and divides the files."""

    def make(self, found: FileList, on_bad: OnBad) -> Data:
        """The three parts; those that `found` does not give are held out of train by class."""
        refuse([], on_bad=on_bad)
        need_two_classes(found, (file.label for file in found.files if file.part in ("", "train")))
        size, channels, notes = self._choose(found)
        images = cached_images(
            [file.path for file in found.files],
            image_size=size,
            in_channels=channels,
            resize=self._resize,
            cache_bytes=self._cache_bytes,
        )
        rows, problems, more_notes = sound_rows(found, images)
        problems = found.problems + problems
        refuse(problems, on_bad=on_bad)
        parts, class_names, split_notes = self._divide(found, images, rows)
        mean, std = images.statistics(parts["train"])
        spec = ImageClassificationSpec(
            class_names=tuple(class_names),
            in_channels=channels,
            image_size=size,
            mean=mean,
            std=std,
            resize=self._resize,
        )
        return Data(
            spec=spec,
            train=_split(found, images, parts["train"], class_names),
            val=_split(found, images, parts["val"], class_names),
            test=_split(found, images, parts["test"], class_names),
            problems=tuple(problems),
            notes=(*found.notes, *notes, *room_note(images), *more_notes, *split_notes),
        )

    def _choose(self, found: FileList) -> tuple[tuple[int, int], int, list[str]]:
        """Size and channels as given, else from a sample of the training pictures."""
        paths = sorted(file.path for file in found.files if file.part in ("", "train"))
        drawn = np.sort(generator(self._split_seed).permutation(len(paths))[:_SAMPLE])
        sizes, grey, unreadable = [], [], ""
        for row in drawn:
            try:
                sizes.append(self._image_size or probe_size(paths[row]))
                grey.append(self._channels == "auto" and is_grey(paths[row]))
            except UnreadableImage as error:
                unreadable = str(error)
        if not grey:
            raise RequestError(f"None of the {len(drawn)} pictures looked at can be read. The last one:\n{unreadable}")
        notes = []
        size, channels = self._image_size, self._channels
        if size is None:
            size, why = usual_size(sizes)
            notes.append(why)
        if channels == "auto":
            chosen, why = choose_channels(grey)
            return size, chosen, [*notes, why]
        return size, channels, notes

    def _divide(
        self, found: FileList, images: CachedImages, rows: np.ndarray
    ) -> tuple[dict[str, np.ndarray], list[str], list[str]]:
        """The rows of each part, the class names, and notes on what was held out."""
        given = {file.part or "train" for file in found.files}
        of = np.array([found.files[row].part or "train" for row in rows])
        parts = {part: rows[of == part] for part in PARTS}
        train = [found.files[row].label for row in parts["train"]]
        class_names = class_order(train)
        need_two_classes(found, class_names)
        for part in given:
            if not len(parts[part]):
                raise RequestError(f"{found.source} has no usable pictures left in {part}.")
        numbers = {name: number for number, name in enumerate(class_names)}
        held_out = hold_out(
            labels=np.array([numbers[label] for label in train], dtype=np.int64),
            keys=[images.digests[row].tobytes().hex() for row in parts["train"]],
            fractions={part: share for part, share in self._fractions.items() if part not in given},
            seed=self._split_seed,
            class_names=class_names,
        )
        notes = [
            f"{part}: {len(chosen):,} pictures held out of train by class (split_seed {self._split_seed})"
            for part, chosen in held_out.items()
            if part != "train"
        ]
        return parts | {part: parts["train"][chosen] for part, chosen in held_out.items()}, class_names, notes


def usual_size(sizes: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], str]:
    """(height, width) for pictures of these sizes, and why.

    Their own size when all have one, up to 256 pixels a side; else a square of their median shorter side, rounded down
    to a multiple of 32, between 32 and 224.
    """
    if len(set(sizes)) == 1 and max(sizes[0]) <= _LARGEST_NATIVE:
        height, width = sizes[0]
        return sizes[0], f"image_size: {height} x {width}, the size of all {len(sizes)} pictures looked at"
    middle = int(np.median([min(size) for size in sizes]))
    side = min(224, max(32, middle // 32 * 32))
    return (side, side), (
        f"image_size: {side} x {side}, for the median shorter side of {len(sizes)} pictures looked at is {middle};"
        " dataset.image_size sets another"
    )


def _split(found: FileList, images: CachedImages, rows: np.ndarray, class_names: Sequence[str]) -> ImageSplit:
    numbers = {name: number for number, name in enumerate(class_names)}
    labels = np.array([numbers[found.files[row].label] for row in rows], dtype=np.int64)
    return ImageSplit(Subset(images.store, rows), labels, [str(found.files[row].path) for row in rows])
