"""What is wrong with labelled picture files: unreadable, mislabelled, repeated across parts, of an unknown class."""

import numpy as np

from sensorium.data.base import Problem
from sensorium.data.cache import CachedImages
from sensorium.data.duplicates import PARTS, find_duplicates, find_unknown_classes, without
from sensorium.data.vision.listed import FileList


def sound_rows(found: FileList, images: CachedImages) -> tuple[np.ndarray, list[Problem], list[str]]:
    """The rows (M,) int64 of the files that can be used; what is wrong with each other one; notes."""
    labels = [file.label for file in found.files]
    parts = np.array([PARTS.index(file.part or "train") for file in found.files], dtype=np.int64)
    bad = dict(images.unreadable)
    repeated, notes = find_duplicates(
        digests=images.digests,
        labels=labels,
        parts=parts,
        places=[file.place for file in found.files],
        rows=without(np.arange(len(parts)), bad),
        copies="pictures that are copies of another of the same class and part",
    )
    bad |= repeated
    rows = without(np.arange(len(parts)), bad)
    unknown, more_notes = find_unknown_classes(labels=labels, parts=parts, rows=rows, examples="pictures")
    bad |= unknown
    problems = [found.files[row].problem(what) for row, what in sorted(bad.items())]
    return without(rows, unknown), problems, notes + more_notes
