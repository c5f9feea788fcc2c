"""From a list of picture files and their mask files to data: the checks, the classes and the three parts."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sensorium.batches import VOID
from sensorium.data.base import Data, OnBad, Problem, counted, first_problem, refuse
from sensorium.data.duplicates import PARTS
from sensorium.data.vision.scene_files import PictureFile, Pictures, SceneSettings
from sensorium.data.vision.scenes import MaskSplit
from sensorium.errors import RequestError, listing
from sensorium.specs import SemanticSegmentationSpec
from sensorium.vision.decode import UnreadableImage
from sensorium.vision.masks import MOST_CLASSES, BadMask, MaskCode, file_palette
from sensorium.vision.palette import distinct_palette


@dataclass(frozen=True, slots=True)
class MaskedPicture:
    """A picture and its mask file."""

    file: PictureFile
    mask: Path


@dataclass
class MaskList:
    """source: the folder. class_names: in order of the class numbers, None where nobody says them."""

    source: Path
    pictures: list[MaskedPicture] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    class_names: Sequence[str] | None = None


class MaskFiles:
    """Masks decoded at each read. table: (256,) uint8, the class of each pixel number."""

    def __init__(self, paths: Sequence[Path], code: MaskCode, table: np.ndarray) -> None:
        self._paths, self._code, self._table = paths, code, table

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, row: int) -> np.ndarray:
        try:
            return self._table[self._code.numbers(self._paths[row])]
        except BadMask as error:  # changed since it was checked
            raise RequestError(f"{self._paths[row]}: {error.what}") from error


def make_segmentation(found: MaskList, settings: SceneSettings, code: MaskCode, *, on_bad: OnBad) -> Data:
    """The three parts; those that `found` does not give are held out of train."""
    refuse([], on_bad=on_bad)
    if not found.pictures:
        raise RequestError(f"{found.source} has no picture with a mask.{first_problem(found.problems)}")
    pictures = settings.read([picture.file for picture in found.pictures], found.source)
    masks = [picture.mask for picture in found.pictures]
    counts, bad_masks = _scanned(masks, pictures, code)
    class_names = _class_names(found, code, counts)
    table, known = code.table(len(class_names))
    bad_masks |= _unknown_numbers(masks, counts, known, code, len(class_names))
    unreadable = pictures.images.unreadable
    repeated, repeat_notes = pictures.repeats({**bad_masks, **unreadable})
    problems = found.problems + [Problem(str(masks[row]), what) for row, what in sorted(bad_masks.items())]
    problems += [found.pictures[row].file.problem(what) for row, what in sorted({**unreadable, **repeated}.items())]
    refuse(problems, on_bad=on_bad)
    if not 2 <= len(class_names) <= MOST_CLASSES:
        told, first = listing(class_names, limit=10) or "none", first_problem(problems)
        raise RequestError(
            f"{found.source} has {len(class_names)} classes of pixels ({told}); 2 to {MOST_CLASSES} can be.{first}"
        )
    parts, notes = settings.divide(pictures, {**bad_masks, **unreadable, **repeated}, found.source)
    splits = {
        part: MaskSplit(**pictures.split_arguments(rows), masks=MaskFiles([masks[row] for row in rows], code, table))
        for part, rows in parts.items()
    }
    palette = _palette(masks[parts["train"][0]], code, len(class_names))
    return Data(
        spec=SemanticSegmentationSpec(
            class_names=tuple(class_names), palette=palette, **pictures.spec_arguments(parts["train"])
        ),
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        problems=tuple(problems),
        notes=(*found.notes, *pictures.notes, *repeat_notes, *notes, *_told(parts, counts, code, class_names)),
    )


def _scanned(masks: Sequence[Path], pictures: Pictures, code: MaskCode) -> tuple[np.ndarray, dict[int, str]]:
    """How many pixels of each number every mask has, (N, 256), zeros where it cannot be used; row -> why not."""
    counts, bad = np.zeros((len(masks), 256), dtype=np.int64), {}

    def scan(row: int) -> None:
        try:
            numbers = code.numbers(masks[row])
        except (UnreadableImage, BadMask) as error:
            bad[row] = error.what
            return
        height, width = pictures.sizes[row].tolist()
        if height and numbers.shape != (height, width):
            mask = f"{numbers.shape[1]} x {numbers.shape[0]}"
            bad[row] = f"size {mask} (width x height), but {pictures.files[row].path} has {width} x {height}"
            return
        counts[row] = np.bincount(numbers.ravel(), minlength=256)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for _ in pool.map(scan, range(len(masks))):
            pass
    return counts, bad


def _class_names(found: MaskList, code: MaskCode, counts: np.ndarray) -> list[str]:
    """As somebody gives them, else the colours' names, else the numbers up to the largest in train."""
    if found.class_names is not None:
        names = [str(name) for name in found.class_names]
    elif code.colours:
        names = [name for number, name in enumerate(code.colours) if number not in code.ignored]
    else:
        train = [row for row, picture in enumerate(found.pictures) if picture.file.part in ("", "train")]
        there = np.flatnonzero(counts[train, :VOID].sum(axis=0))
        largest = max((n for n in there.tolist() if n not in code.ignored), default=-1)
        names = [str(n) for n in code.class_numbers(MOST_CLASSES) if n <= largest]
    if len(set(names)) < len(names):
        raise RequestError(f"Two classes of {found.source} have the same name: {listing(names)}.")
    return names


def _unknown_numbers(
    masks: Sequence[Path], counts: np.ndarray, known: np.ndarray, code: MaskCode, num_classes: int
) -> dict[int, str]:
    """Row -> what, of the masks with a number that no class has."""
    bad = {}
    for row in np.flatnonzero(counts[:, ~known].any(axis=1)).tolist():
        numbers = code.numbers(masks[row])
        y, x = np.argwhere(~known[numbers])[0]
        last = code.class_numbers(num_classes)[-1]
        bad[row] = f"class number {numbers[y, x]} at column {x}, row {y}; the classes' numbers go up to {last}"
    return bad


def _palette(mask: Path, code: MaskCode, num_classes: int) -> tuple[int, ...]:
    """The colours given, else the file's where it tells all classes apart, else distinct ones."""
    numbers = code.class_numbers(num_classes)
    if code.colours:
        given = np.array(list(code.colours.values()))
        return tuple(given[numbers].ravel().tolist())
    stored = file_palette(mask)
    if stored is not None and len(np.unique(stored[numbers], axis=0)) == num_classes:
        return tuple(stored[numbers].ravel().tolist())
    return distinct_palette(num_classes)


def _told(parts: dict[str, np.ndarray], counts: np.ndarray, code: MaskCode, class_names: Sequence[str]) -> list[str]:
    """Counts worth telling: masks that are void as a whole, classes that a part lacks."""
    numbers = code.class_numbers(len(class_names))
    notes = []
    for part in PARTS:
        of = counts[parts[part]][:, numbers]
        void = int((of.sum(axis=1) == 0).sum())
        if void:
            notes.append(f"{part}: {counted(void, 'mask')} void as a whole, which nothing is learnt from")
        lacking = [name for name, pixels in zip(class_names, of.sum(axis=0), strict=True) if not pixels]
        if lacking:
            notes.append(f"{part} has no pixels of: {listing(lacking, limit=10)}")
    return notes
