"""One annotation in COCO's JSON format: its box, and whether it is of a crowd; and the size of an image in it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sensorium.data.vision.box_targets import Box, whole_number
from sensorium.errors import as_typed

_LARGEST = 10**12  # pixels; an integer of JSON may have 400 digits, more than a float
_CROWD = {**dict.fromkeys(("none", "", "0", "0.0", "false"), False), **dict.fromkeys(("1", "1.0", "true"), True)}


def box_of(entry: Mapping[str, Any], place: str, label: str) -> Box:
    """The box of an annotation. Raises ValueError for what is wrong with it."""
    x, y, width, height = _bbox(entry)
    crowd = _CROWD.get(str(entry.get("iscrowd")).lower())
    if crowd is None:
        raise ValueError(f"iscrowd is {entry['iscrowd']!r:.40}; it takes 0 or 1")
    written = f"bbox [{x:g}, {y:g}, {width:g}, {height:g}]"
    return Box(place, label, (x, y, x + width, y + height), written, crowd)


def size_of(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """(height, width); None where it is not said, or 0 or -1, which exporters write for unknown."""
    height, width = whole_number(entry.get("height")), whole_number(entry.get("width"))
    return (height, width) if height > 0 and width > 0 else None


def _bbox(entry: Mapping[str, Any]) -> list[float]:
    """x, y, width, height, from `bbox`, else around the polygons of `segmentation`. Raises ValueError."""
    box = entry.get("bbox")
    if box is None and isinstance(entry.get("segmentation"), list):
        outlines = entry["segmentation"]
        if not all(isinstance(outline, list) for outline in outlines):
            raise ValueError(f"segmentation is a list of outlines, each a list of x, y, x, y ..., not {outlines!s:.60}")
        if any(len(outline) % 2 for outline in outlines):
            raise ValueError("an outline in segmentation has an x without a y")
        numbers = [_number(value, outline) for outline in outlines for value in outline]
        across, down = numbers[::2], numbers[1::2]
        if len(down) >= 3:
            return [min(across), min(down), max(across) - min(across), max(down) - min(down)]
    if not isinstance(box, list) or len(box) != 4:
        given = f"{len(box)} numbers" if isinstance(box, list) else "none"
        raise ValueError(f"bbox of four numbers is needed (x, y, width, height), there is {given}")
    return [_number(value, box) for value in box]


def _number(value: Any, given: Sequence[Any]) -> float:
    finite = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    if isinstance(value, bool) or not finite:
        raise ValueError(f"box with a value that is not a number (bbox {given!s:.60})")
    if abs(value) > _LARGEST:
        raise ValueError(f"box with a number far beyond any image (bbox {as_typed(given)})")
    return float(value)
