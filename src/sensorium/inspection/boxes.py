"""Bounding boxes that were probably drawn by mistake: the same one twice, slivers, and whole images."""

from collections.abc import Sequence

import numpy as np

from sensorium.inspection.findings import Finding

_TWICE = 0.95  # intersection over union
_SLIVER = 3.0  # pixels of the shorter side
_WHOLE = 0.99  # of the image's area


def check(
    boxes: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    sizes: np.ndarray,
    *,
    names: Sequence[str],
    class_names: Sequence[str],
) -> list[Finding]:
    """boxes: (n, 4) of each image, in its pixels. labels: (n,) of each. sizes: (N, 2), heights and widths."""
    twice, thin, whole, without = [], [], [], []
    for row, (found, numbers) in enumerate(zip(boxes, labels, strict=True)):
        if not len(found):
            without.append(str(names[row]))
            continue
        sides = found[:, 2:] - found[:, :2]
        area = sides.prod(axis=1)
        shown = [
            f"{names[row]}: {class_names[n]} {box.round(1).tolist()}" for n, box in zip(numbers, found, strict=True)
        ]
        thin += [shown[i] for i in np.flatnonzero(sides.min(axis=1) < _SLIVER)]
        whole += [shown[i] for i in np.flatnonzero(area >= _WHOLE * sizes[row].prod())]
        low = np.maximum(found[:, None, :2], found[None, :, :2])
        high = np.minimum(found[:, None, 2:], found[None, :, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=2)
        overlap = shared / np.maximum(area[:, None] + area[None] - shared, 1e-9)
        for first, second in np.argwhere(np.triu(overlap > _TWICE, 1)).tolist():
            twice.append(f"{shown[first]} and {class_names[numbers[second]]}")
    kinds = (
        ("warning", "two boxes in the same place", twice),
        ("warning", f"boxes less than {_SLIVER:g} pixels high or wide", thin),
        ("note", "boxes around the whole image", whole),
        ("note", "images without a box", without),
    )
    return [
        Finding(check="boxes", severity=severity, what=what, count=len(shown), examples=shown)  # type: ignore[arg-type]
        for severity, what, shown in kinds
        if shown
    ]
