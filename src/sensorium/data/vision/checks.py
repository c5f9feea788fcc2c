"""What is wrong with labelled picture files: unreadable, mislabelled, repeated across parts, of an unknown class."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.base import Problem
from sensorium.data.cache import CachedImages
from sensorium.data.vision.listed import FileList, LabelledFile
from sensorium.errors import listing, nearest

_RANK = {"": 0, "train": 0, "val": 1, "test": 2}


def sound_rows(found: FileList, images: CachedImages) -> tuple[np.ndarray, list[Problem], list[str]]:
    """The rows (M,) int64 of the files that can be used; what is wrong with each other one; notes."""
    bad = dict(images.unreadable)
    rows = _without(np.arange(len(found.files)), bad)
    repeated, notes = find_repeats(found.files, images.digests, rows)
    bad |= repeated
    rows = _without(rows, bad)
    unknown, more_notes = find_unknown_classes(found.files, rows)
    bad |= unknown
    problems = [found.files[row].problem(what) for row, what in sorted(bad.items())]
    return _without(rows, bad), problems, notes + more_notes


def find_repeats(
    files: Sequence[LabelledFile], digests: np.ndarray, rows: np.ndarray
) -> tuple[dict[int, str], list[str]]:
    """Of these rows, the ones to leave out because the same content is elsewhere (row -> why), and notes.

    The same content with two labels: nobody knows which is right. In two parts: a model would be tested on what it has
    seen. Either way it is left out of train and val, and stays in test unless test contradicts itself. Copies inside
    one part are only counted.
    """
    keys = np.ascontiguousarray(digests[rows]).view(f"V{digests.shape[1]}").ravel()
    _, group, count = np.unique(keys, return_inverse=True, return_counts=True)
    groups: dict[int, list[int]] = {}
    for i in np.flatnonzero(count[group] > 1):
        groups.setdefault(int(group[i]), []).append(int(rows[i]))
    bad: dict[int, str] = {}
    copies: list[tuple[int, int]] = []
    for members in groups.values():
        agree = len({files[row].label for row in members}) == 1
        out = _repeated(files, members) if agree else _mislabelled(files, members)
        bad |= out
        kept = [row for row in members if row not in out]
        copies += [(kept[0], row) for row in kept[1:]]
    if not copies:
        return bad, []
    first = f"{files[copies[0][1]].place} = {files[copies[0][0]].place}"
    note = (
        f"pictures that are copies of another of the same class and part: {len(copies):,} ({first}); kept on one side"
    )
    return bad, [note]


def _mislabelled(files: Sequence[LabelledFile], members: list[int]) -> dict[int, str]:
    tested = [row for row in members if files[row].part == "test"]
    kept = tested if len({files[row].label for row in tested}) == 1 else []
    out = {}
    for row in members:
        if row not in kept:
            other = next(files[near] for near in members if files[near].label != files[row].label)
            out[row] = f"labelled {files[row].label!r}; {other.place} has the same content and label {other.label!r}"
    return out


def _repeated(files: Sequence[LabelledFile], members: list[int]) -> dict[int, str]:
    last = max(members, key=lambda row: _RANK[files[row].part])
    place, part = files[last].place, files[last].part
    return {row: f"same content as {place}, which is in {part}" for row in members if files[row].part != part}


def find_unknown_classes(files: Sequence[LabelledFile], rows: np.ndarray) -> tuple[dict[int, str], list[str]]:
    """Of these rows, those of val and test whose class train does not have (row -> what), and notes."""
    labels: dict[str, set[str]] = {}
    for row in rows:
        labels.setdefault(files[row].part or "train", set()).add(files[row].label)
    trained = labels.get("train", set())
    bad = {}
    for row in rows:
        label, part = files[row].label, files[row].part or "train"
        if label not in trained:
            guess = nearest(label, trained)
            hint = f"; the nearest there is {guess!r}" if guess else ""
            bad[int(row)] = f"class {label!r} is in {part} but not in train{hint}"
    notes = []
    for part, there in labels.items():
        if absent := sorted(trained - there):
            notes.append(f"{part} has no pictures of: {listing(absent, limit=10)}")
    return bad, notes


def _without(rows: np.ndarray, bad: dict[int, str]) -> np.ndarray:
    return rows[~np.isin(rows, list(bad))]
