"""A mask file for each image: a class for every pixel."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.batches import VOID
from sensorium.data.base import Problem, counted, first_problem
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.data.rows import Ragged
from sensorium.data.vision.inputs import SceneInputs
from sensorium.data.vision.listing import ImageListing, unlike_size
from sensorium.errors import RequestError, listing
from sensorium.vision.decode import UnreadableImage
from sensorium.vision.masks import MOST_CLASSES, BadMask, MaskCode, file_palette
from sensorium.vision.palette import distinct_palette


class DecodedMasks(Ragged):
    """Masks decoded at each read. table: (256,) uint8, the class of each pixel number."""

    def __init__(self, paths: Sequence[Path], code: MaskCode, table: np.ndarray) -> None:
        self._paths, self._code, self._table = paths, code, table

    def __len__(self) -> int:
        return len(self._paths)

    def at(self, row: int) -> np.ndarray:
        try:
            return self._table[self._code.numbers(self._paths[row])]
        except BadMask as error:  # changed since it was checked
            raise RequestError(f"{self._paths[row]}: {error.what}") from error


class MaskTargets(NoTargets):
    """Masks in the code `code`. class_names: in order of the pixel numbers that are not ignored; None takes the names
    of the colors, else the numbers up to the largest in train.
    """

    copies = "images that duplicate another in the same split"

    def __init__(self, found: ImageListing, code: MaskCode, *, class_names: Sequence[str] | None) -> None:
        self._found, self._code, self._given = found, code, class_names
        self._paths: list[Path] = found.targets
        self._counts = np.zeros((len(found), 256), dtype=np.int64)  # pixels of each number

    def check(self, inputs: SceneInputs) -> dict[int, Any]:
        """Reads every mask once."""
        bad = self._scanned(inputs)
        self._names = self._class_names()
        table, known = self._code.table(len(self._names))
        bad |= self._unknown_numbers(known)
        self._masks = DecodedMasks(self._paths, self._code, table)
        return {row: Problem(str(self._paths[row]), what) for row, what in bad.items()}

    def _scanned(self, inputs: SceneInputs) -> dict[int, str]:
        bad = {}

        def scan(row: int) -> None:
            try:
                numbers = self._code.numbers(self._paths[row])
            except (UnreadableImage, BadMask) as error:
                bad[row] = error.what
                return
            height, width = inputs.sizes[row].tolist()
            if height and numbers.shape != (height, width):
                bad[row] = unlike_size(self._found.paths[row], numbers.shape, (height, width))
                return
            self._counts[row] = np.bincount(numbers.ravel(), minlength=256)

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for _ in pool.map(scan, range(len(self._paths))):
                pass
        return bad

    def _class_names(self) -> list[str]:
        code = self._code
        if self._given is not None:
            names = [str(name) for name in self._given]
        elif code.colours:
            names = [name for number, name in enumerate(code.colours) if number not in code.ignored]
        else:
            there = np.flatnonzero(self._counts[self._found.rows("train"), :VOID].sum(axis=0))
            largest = max((n for n in there.tolist() if n not in code.ignored), default=-1)
            names = [str(n) for n in code.class_numbers(MOST_CLASSES) if n <= largest]
        if len(set(names)) < len(names):
            raise RequestError(f"Two classes of {self._found.source} have the same name: {listing(names)}.")
        return names

    def _unknown_numbers(self, known: np.ndarray) -> dict[int, str]:
        """The masks with a number that no class has."""
        bad = {}
        for row in np.flatnonzero(self._counts[:, ~known].any(axis=1)).tolist():
            numbers = self._code.numbers(self._paths[row])
            y, x = np.argwhere(~known[numbers])[0]
            last = self._code.class_numbers(len(self._names))[-1:] or [-1]
            bad[row] = f"class number {numbers[y, x]} at column {x}, row {y}; the classes' numbers go up to {last[0]}"
        return bad

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """At least two classes, each with a pixel in train."""
        source, names, first = self._found.source, self._names, first_problem(problems)
        counts = self._counts[train]
        found = counts[:, self._code.class_numbers(len(names))].sum(axis=0)
        there = int((found > 0).sum())
        if there < 2 and counts[:, VOID].any() and not self._code.colours:
            others = [n for n in np.flatnonzero(counts[:, :VOID].any(axis=0)).tolist() if n not in self._code.ignored]
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
        self._palette = self._colors(self._paths[rows["train"][0]])
        return {}

    def spec(self) -> dict[str, Any]:
        """The class names and their colors."""
        return {"class_names": tuple(self._names), "palette": self._palette}

    def notes_on(self, rows: Rows) -> list[str]:
        """Masks that are void as a whole, and classes that a split lacks."""
        numbers = self._code.class_numbers(len(self._names))
        notes = []
        for split, of in rows.items():
            counts = self._counts[of][:, numbers]
            if void := int((counts.sum(axis=1) == 0).sum()):
                notes.append(f"{split}: {counted(void, 'mask')} without a labeled pixel, not used by the loss")
            lacking = [name for name, pixels in zip(self._names, counts.sum(axis=0), strict=True) if not pixels]
            if lacking:
                notes.append(f"{split} has no pixels of: {listing(lacking, limit=10)}")
        return notes

    def _colors(self, mask: Path) -> tuple[int, ...]:
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
