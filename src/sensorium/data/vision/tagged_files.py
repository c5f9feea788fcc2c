"""From a list of tagged image files to data: the checks of labelled files, for any number of tags an image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensorium.data.base import Data, OnBad, Problem, class_order, first_problem, refuse
from sensorium.data.cache import CachedImages, cached_images
from sensorium.data.duplicates import PARTS, find_duplicates, without
from sensorium.data.vision.files import FileSettings
from sensorium.data.vision.listed import FileList, LabelledFile
from sensorium.data.vision.settings import room_note
from sensorium.data.vision.store import Subset
from sensorium.data.vision.tags import TagSplit, hold_out_by_tag
from sensorium.errors import RequestError, listing, nearest
from sensorium.specs import ImageTaggingSpec


@dataclass(frozen=True, slots=True)
class TaggedFile(LabelledFile):
    """An image and its tags. label: all of them as messages show them, alike for the same ones in another order."""

    tags: tuple[str, ...]


class TagFileSettings(FileSettings):
    """Of tagged image files: `make_tagged` reads, validates and divides the files."""

    def make_tagged(
        self,
        source: Path,
        files: Sequence[TaggedFile],
        problems: Sequence[Problem],
        *,
        class_names: Sequence[str] | None,
        notes: Sequence[str],
        on_bad: OnBad,
    ) -> Data:
        """The three parts; those that no file names are held out of train by the rarest tag of each image.

        class_names: the tags there are; None for those of the training images. problems: found so far.
        """
        refuse([], on_bad=on_bad)
        size, channels, size_notes = self._choose(FileList(source, list(files)))
        images = cached_images(
            [file.path for file in files],
            image_size=size,
            in_channels=channels,
            resize=self._resize,
            cache_bytes=self._cache_bytes,
        )
        parts = np.array([PARTS.index(file.part or "train") for file in files], dtype=np.int64)
        rows, bad, more_notes = _usable(files, images, parts)
        train = {tag for row in rows[parts[rows] == 0] for tag in files[row].tags}
        unknown = _unknown_tags(files, parts, rows, train)
        rows, bad = without(rows, unknown), bad | unknown
        found = [*problems, *(files[row].problem(what) for row, what in sorted(bad.items()))]
        refuse(found, on_bad=on_bad)
        if not train:
            raise RequestError(f"{source} has no usable training image with a tag.{first_problem(found)}")
        names = tuple(class_names or class_order(train))
        chosen, split_notes = self._divided(source, files, images, rows, names, found)
        mean, std = images.statistics(chosen["train"])
        spec = ImageTaggingSpec(
            class_names=names, in_channels=channels, image_size=size, mean=mean, std=std, resize=self._resize
        )
        splits = {
            part: TagSplit(Subset(images.store, of), _targets(files, of, names), [str(files[row].path) for row in of])
            for part, of in chosen.items()
        }
        split_notes += _missing_tags(splits, names)
        return Data(
            spec=spec,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            problems=tuple(found),
            notes=(*notes, *size_notes, *room_note(images), *more_notes, *split_notes),
        )

    def _divided(
        self,
        source: Path,
        files: Sequence[TaggedFile],
        images: CachedImages,
        rows: np.ndarray,
        names: Sequence[str],
        problems: Sequence[Problem],
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The rows of each part, and notes on what was held out. Every part has an image with a tag."""
        of = np.array([files[row].part or "train" for row in rows])
        parts = {part: rows[of == part] for part in PARTS}
        given = {file.part or "train" for file in files}
        held_out, notes = hold_out_by_tag(
            targets=_targets(files, parts["train"], names),
            keys=[images.digests[row].tobytes().hex() for row in parts["train"]],
            fractions={part: share for part, share in self._fractions.items() if part not in given},
            seed=self._split_seed,
            class_names=names,
        )
        parts |= {part: parts["train"][chosen] for part, chosen in held_out.items()}
        for part in PARTS:
            if not any(files[row].tags for row in parts[part]):
                raise RequestError(f"{source} has no usable image with a tag in {part}.{first_problem(problems)}")
        return parts, notes


def _usable(
    files: Sequence[TaggedFile], images: CachedImages, parts: np.ndarray
) -> tuple[np.ndarray, dict[int, str], list[str]]:
    """The rows (M,) int64 of readable images that do not contradict others, why each other one is not; notes."""
    bad = dict(images.unreadable)
    repeated, notes = find_duplicates(
        digests=images.digests,
        labels=[file.label for file in files],
        parts=parts,
        places=[file.place for file in files],
        rows=without(np.arange(len(parts)), bad),
        copies="images that are copies of another with the same tags and part",
    )
    bad |= repeated
    return without(np.arange(len(parts)), bad), bad, notes


def _unknown_tags(files: Sequence[TaggedFile], parts: np.ndarray, rows: np.ndarray, train: set[str]) -> dict[int, str]:
    """Of these rows, those of val and test with a tag that no training image has, and what is wrong with each."""
    bad = {}
    for row in rows.tolist():
        for tag in files[row].tags:
            if tag not in train:
                guess = nearest(tag, train)
                hint = f"; the nearest there is {guess!r}" if guess else ""
                bad[row] = f"tag {tag!r} is in {PARTS[parts[row]]} but not in train{hint}"
                break
    return bad


def _targets(files: Sequence[TaggedFile], rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(M, K) uint8: 1 for each tag of the files at these rows."""
    numbers = {name: number for number, name in enumerate(names)}
    targets = np.zeros((len(rows), len(names)), dtype=np.uint8)
    for place, row in enumerate(rows.tolist()):
        targets[place, [numbers[tag] for tag in files[row].tags]] = 1
    return targets


def _missing_tags(splits: dict[str, TagSplit], names: Sequence[str]) -> list[str]:
    """Notes on tags that a part has no image of: training cannot learn them, evaluation cannot measure them."""
    missing = {
        part: [name for name, there in zip(names, (split.targets.sum(axis=0) > 0).tolist(), strict=True) if not there]
        for part, split in splits.items()
    }
    return [f"{part} has no image of: {listing(absent, limit=10)}" for part, absent in missing.items() if absent]
