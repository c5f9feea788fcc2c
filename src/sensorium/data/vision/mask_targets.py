"""A mask file for each image: a class for every pixel."""

import os
from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from sensorium.batches import VOID
from sensorium.data.base import Problem, counted, first_problem
from sensorium.data.cache import packed_reasons, reasons
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.data.rows import Ragged
from sensorium.data.shards.samples import Members
from sensorium.data.vision.inputs import SceneInputs
from sensorium.data.vision.listing import ImageListing, unlike_size
from sensorium.errors import RequestError, listing
from sensorium.vision.decode import Source, UnreadableImage, source_name
from sensorium.vision.masks import MOST_CLASSES, BadMask, MaskCode, file_palette
from sensorium.vision.palette import distinct_palette

_LOSSY = (".jpg", ".jpeg", ".jpe", ".webp")


def lossy(suffix: str) -> str:
    """What is wrong with a mask in a file of this suffix; "" where its pixels stay as they are."""
    return f"{suffix} changes the pixels of a mask; save it as PNG" if suffix.lower() in _LOSSY else ""


class DecodedMasks(Ragged):
    """Masks decoded at each read. table: (256,) uint8, the class of each pixel number."""

    def __init__(self, files: Sequence[Path] | Members, code: MaskCode, table: np.ndarray) -> None:
        self._files, self._code, self._table = files, code, table

    def __len__(self) -> int:
        return len(self._files)

    def at(self, row: int) -> np.ndarray:
        file = self._files[row]
        try:
            return self._table[self._code.numbers(file)]
        except BadMask as error:  # changed since it was checked
            raise RequestError(f"{source_name(file)}: {error.what}") from error


class MaskTargets(NoTargets):
    """Masks in the code `code`. class_names: in order of the pixel numbers that are not ignored; None takes the names
    of the colors, else the numbers up to the largest in train.
    """

    copies = "images that duplicate another in the same split"

    def __init__(self, found: ImageListing, code: MaskCode, *, class_names: Sequence[str] | None) -> None:
        self._found, self._code, self._given = found, code, class_names
        self._files = found.masks

    def check(self, inputs: SceneInputs) -> dict[int, Any]:
        """Reads every mask once."""
        bad = self._scanned(inputs)
        self._names = self._class_names()
        table, known = self._code.table(len(self._names))
        bad |= self._unknown_numbers(known)
        self._masks = DecodedMasks(self._files, self._code, table)
        return {row: Problem(source_name(self._files[row]), what) for row, what in bad.items()}

    def _scanned(self, inputs: SceneInputs) -> dict[int, str]:
        found = _scan(self._files, self._code)
        self._numbers, self._counts = found["numbers"], found["counts"].copy()
        bad = reasons(found["unreadable"])
        sized = inputs.sizes.any(axis=1) & found["sizes"].any(axis=1)
        for row in np.flatnonzero(sized & (inputs.sizes != found["sizes"]).any(axis=1)).tolist():
            height, width = found["sizes"][row].tolist()
            bad[row] = unlike_size(self._found.files[row], (height, width), tuple(inputs.sizes[row].tolist()))
            self._counts[row] = 0
        return bad

    def _class_names(self) -> list[str]:
        code = self._code
        if code.colours:
            names = [name for number, name in enumerate(code.colours) if number not in code.ignored]
            self._check_given(names)
        elif self._given is not None:
            names = [str(name) for name in self._given]
        else:
            there = np.flatnonzero(self._pixels(self._found.rows("train"))[:VOID])
            largest = max((n for n in there.tolist() if n not in code.ignored), default=-1)
            names = [str(n) for n in code.class_numbers(MOST_CLASSES) if n <= largest]
        if len(set(names)) < len(names):
            raise RequestError(f"Two classes of {self._found.source} have the same name: {listing(names)}.")
        return names

    def _pixels(self, rows: np.ndarray) -> np.ndarray:
        """(256,) int64: how many pixels of these masks have each number."""
        pixels = np.zeros(256, np.int64)
        pixels[self._numbers] = self._counts[rows].sum(axis=0)
        return pixels

    def _check_given(self, names: Sequence[str]) -> None:
        """Names beside colors are those of the colors, in any order: by their place they would name other pixels."""
        if self._given is not None and sorted(map(str, self._given)) != sorted(names):
            raise RequestError(
                f"{self._found.source}: dataset.class_names, or classes.txt, has {listing(self._given, limit=10)};"
                f" dataset.colours names {listing(names, limit=10)}.\nLeave one of the two out, or give both the same"
                " names."
            )

    def _unknown_numbers(self, known: np.ndarray) -> dict[int, str]:
        """The masks with a number that no class has."""
        bad = {}
        for row in np.flatnonzero(self._counts[:, ~known[self._numbers]].any(axis=1)).tolist():
            numbers = self._code.numbers(self._files[row])
            y, x = np.argwhere(~known[numbers])[0]
            last = self._code.class_numbers(len(self._names))[-1:] or [-1]
            bad[row] = f"class number {numbers[y, x]} at column {x}, row {y}; the classes' numbers go up to {last[0]}"
        return bad

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """At least two classes, each with a pixel in train."""
        source, names, first = self._found.source, self._names, first_problem(problems)
        pixels = self._pixels(train)
        found = pixels[self._code.class_numbers(len(names))]
        there = int((found > 0).sum())
        if there < 2 and pixels[VOID] and not self._code.colours:
            others = [n for n in np.flatnonzero(pixels[:VOID]).tolist() if n not in self._code.ignored]
            raise RequestError(
                f"{source}: the masks hold {' and '.join(map(str, [*others, VOID]))}, and {VOID} is ignored, as in"
                f" Pascal VOC: fewer than two classes remain.\nIf {VOID} is a class, name the colors:"
                f" dataset.colours='{{background: [0,0,0], object: [255,255,255]}}'."
            )
        if not 2 <= len(names) <= MOST_CLASSES:
            told = listing(names, limit=10) or "none"
            raise RequestError(
                f"{source} has {counted(len(names), 'class')} ({told}); allowed are 2 to {MOST_CLASSES}.{first}"
            )
        if there < 2:
            only = listing([name for name, pixels in zip(names, found, strict=True) if pixels]) or "no class at all"
            raise RequestError(
                f"{source}: the masks of train have pixels of {only} only; at least two classes are needed.{first}"
            )

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """The masks."""
        return {"masks": self._masks.subset(rows)}

    def fit(self, rows: Rows) -> dict[int, str]:
        """The palette is that of a training mask."""
        self._palette = self._colors(self._files[rows["train"][0]])
        return {}

    def spec(self) -> dict[str, Any]:
        """The class names and their colors."""
        return {"class_names": tuple(self._names), "palette": self._palette}

    def notes_on(self, rows: Rows) -> list[str]:
        """Masks that are void as a whole, and classes that a split lacks."""
        numbers = self._code.class_numbers(len(self._names))
        notes = []
        if self._given is not None and numbers != list(range(len(numbers))) and not self._code.colours:
            told = listing([f"{number} {name}" for number, name in zip(numbers, self._names, strict=True)], limit=10)
            notes.append(f"ignored numbers have no name: the pixel numbers are {told}")
        for split, of in rows.items():
            labeled = self._counts[of][:, np.isin(self._numbers, numbers)].any(axis=1)
            if void := int((~labeled).sum()):
                notes.append(f"{split}: {counted(void, 'mask')} without a labeled pixel, not used by the loss")
            lacking = [name for name, pixels in zip(self._names, self._pixels(of)[numbers], strict=True) if not pixels]
            if lacking:
                notes.append(f"{split} has no pixels of: {listing(lacking, limit=10)}")
        return notes

    def _colors(self, mask: Source) -> tuple[int, ...]:
        """The colors given, else the file's where it tells all classes apart, else distinct ones."""
        count = len(self._names)
        numbers = self._code.class_numbers(count)
        if self._code.colours:
            given = np.array(list(self._code.colours.values()))
            return tuple(given[numbers].ravel().tolist())
        stored = file_palette(mask)
        if stored is not None and len(np.unique(stored[numbers], axis=0)) == count:
            return tuple(stored[numbers].ravel().tolist())
        return distinct_palette(count)


def _scan(masks: Sequence[Path] | Members, code: MaskCode) -> Mapping[str, np.ndarray]:
    """Reads every mask. Returns sizes (N, 2), of the readable ones; the numbers (M,) that there are, and counts (N, M)
    of their pixels; and why others are unreadable, as `packed_reasons` has it.
    """
    if isinstance(masks, Members):
        colors = list((code.colours or {}).items())
        return masks.worked_out(["masks", PIL.__version__, colors], lambda: _counted(masks, code))
    return _counted(masks, code)


def _counted(masks: Sequence[Path] | Members, code: MaskCode) -> dict[str, np.ndarray]:
    unreadable: dict[int, str] = {}

    def count(row: int) -> tuple[tuple[int, ...], np.ndarray]:
        try:
            numbers = code.numbers(masks[row])
        except (UnreadableImage, BadMask) as error:
            unreadable[row] = error.what
            return (0, 0), np.zeros(256, np.int64)
        return numbers.shape, np.bincount(numbers.ravel(), minlength=256)

    # Few of the 256 numbers occur: a million masks with a count for each would take 2 GB.
    sizes = np.zeros((len(masks), 2), np.int64)
    rows, there, found = array("q"), array("B"), array("q")
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for row, (shape, pixels) in enumerate(pool.map(count, range(len(masks)))):
            numbers = np.flatnonzero(pixels)
            sizes[row] = shape
            rows.extend([row] * len(numbers))
            there.extend(numbers.tolist())
            found.extend(pixels[numbers].tolist())
    numbers, columns = np.unique(np.array(there, np.int64), return_inverse=True)
    counts = np.zeros((len(masks), len(numbers)), np.int64)
    counts[np.array(rows), columns] = np.array(found)
    return {"sizes": sizes, "numbers": numbers, "counts": counts, "unreadable": packed_reasons(unreadable)}
