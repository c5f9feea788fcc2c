"""From a list of picture files and the boxes in them to data: the checks, the classes and the three parts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sensorium.data.base import Data, OnBad, Problem, class_order, counted, first_problem, refuse
from sensorium.data.vision.scene_files import PictureFile, Pictures, SceneSettings
from sensorium.data.vision.scenes import DetectionSplit
from sensorium.errors import RequestError, listing, nearest
from sensorium.specs import ObjectDetectionSpec
from sensorium.vision.fit_boxes import clip_boxes

_ROUNDING = 1.0  # pixels that a box may reach beyond the picture: it is cut, which is counted

Corners = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class FoundBox:
    """A box as a file says it. place: file:line or the like. corners: left, top, right, bottom in pixels.

    written: its numbers in the words of the file, for messages.
    """

    place: str
    label: str
    corners: Corners
    written: str
    difficult: bool = False


@dataclass(frozen=True, slots=True)
class FoundScene:
    """A picture and its boxes. size: (height, width) that the annotation says, with the place where it says so.

    relative: corners are shares of the picture's width and height instead of pixels.
    """

    file: PictureFile
    boxes: list[FoundBox]
    size: tuple[int, int] | None = None
    size_place: str = ""
    relative: bool = False


@dataclass
class SceneList:
    """source: the folder or file. class_names: in order, where the annotations give them."""

    source: Path
    scenes: list[FoundScene] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    class_names: Sequence[str] | None = None


def make_detection(found: SceneList, settings: SceneSettings, *, on_bad: OnBad) -> Data:
    """The three parts; those that `found` does not give are held out of train.

    With on_bad="skip" a bad box is left out of its picture, and a picture that is bad as a whole with all its boxes.
    """
    refuse([], on_bad=on_bad)
    if not found.scenes:
        raise RequestError(f"{found.source} has no usable picture.{first_problem(found.problems)}")
    pictures = settings.read([scene.file for scene in found.scenes], found.source)
    unreadable, unlike = pictures.images.unreadable, _unlike_sizes(found, pictures)
    bad = {**unlike, **unreadable}
    class_names = _class_names(found, bad)
    checked = _Checked(class_names, found.class_names is not None)
    boxes = [
        checked.boxes(scene, size) if row not in bad else []
        for row, (scene, size) in enumerate(zip(found.scenes, pictures.sizes.tolist(), strict=True))
    ]
    repeated, repeat_notes = pictures.repeats(bad)
    problems = found.problems + checked.problems
    problems += [Problem(found.scenes[row].size_place, what) for row, what in unlike.items() if row not in unreadable]
    problems += [found.scenes[row].file.problem(what) for row, what in sorted({**unreadable, **repeated}.items())]
    refuse(problems, on_bad=on_bad)
    parts, notes = settings.divide(pictures, bad | repeated, found.source)
    if not any(boxes[row] for row in parts["train"]):
        raise RequestError(f"{found.source} has no usable box in train.{first_problem(problems)}")
    splits = {part: _split(pictures, rows, boxes, class_names) for part, rows in parts.items()}
    return Data(
        spec=ObjectDetectionSpec(class_names=tuple(class_names), **pictures.spec_arguments(parts["train"])),
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        problems=tuple(problems),
        notes=(*found.notes, *pictures.notes, *repeat_notes, *notes, *checked.notes(), *_told(splits, class_names)),
    )


class _Checked:
    """Boxes looked at one by one: those that can be used, the problems of the others, and what was counted."""

    def __init__(self, class_names: Sequence[str], given: bool) -> None:
        self._class_names, self._given = set(class_names), given
        self._cut: list[str] = []
        self._repeated: list[str] = []
        self.problems: list[Problem] = []

    def boxes(self, scene: FoundScene, size: Sequence[int]) -> list[FoundBox]:
        """The usable boxes of a picture of (height, width), in pixels, inside it."""
        height, width = size
        scale = np.array([width, height] * 2 if scene.relative else [1] * 4)
        usable: dict[tuple[str, Corners], FoundBox] = {}
        for box in scene.boxes:
            corners = np.array(box.corners) * scale
            what = self._fault(box, corners, height, width)
            if what:
                self.problems.append(Problem(box.place, what))
                continue
            inside = clip_boxes(corners, (height, width))
            if (inside != corners).any() and not np.allclose(inside, corners, rtol=0, atol=1e-3):
                self._cut.append(box.place)
            left, top, right, bottom = inside.tolist()
            found = FoundBox(box.place, box.label, (left, top, right, bottom), box.written, box.difficult)
            if usable.setdefault((found.label, found.corners), found) is not found:
                self._repeated.append(box.place)
        return list(usable.values())

    def _fault(self, box: FoundBox, corners: np.ndarray, height: int, width: int) -> str | None:
        if not np.isfinite(corners).all():
            return f"box with a number that is none ({box.written})"
        sides = corners[2:] - corners[:2]
        if (sides <= 0).any():
            return f"{'inverted' if (sides < 0).any() else 'empty'} box ({box.written})"
        beyond = max(*(-corners[:2]), corners[2] - width, corners[3] - height)
        if beyond > _ROUNDING + 1e-3 or (clip_boxes(corners, (height, width))[2:] <= corners[:2]).any():
            return f"box outside the picture, which is {width} wide and {height} high ({box.written})"
        if box.label not in self._class_names:
            guess = nearest(box.label, self._class_names)
            where = "in the list of classes" if self._given else "in train"
            return f"class {box.label!r} is not {where}" + (f"; the nearest there is {guess!r}" if guess else "")
        return None

    def notes(self) -> list[str]:
        counts = {
            "cut at the picture's edge, by a pixel at most": self._cut,
            "given before in the same picture, taken once": self._repeated,
        }
        return [
            f"{len(places):,} box{'' if len(places) == 1 else 'es'} {what} ({places[0]})"
            for what, places in counts.items()
            if places
        ]


def _unlike_sizes(found: SceneList, pictures: Pictures) -> dict[int, str]:
    """Row -> what, of the pictures whose annotation says another size."""
    bad = {}
    for row, (scene, (height, width)) in enumerate(zip(found.scenes, pictures.sizes.tolist(), strict=True)):
        if scene.size is not None and height and scene.size != (height, width):
            there = f"{scene.file.path} has {width} x {height}"
            bad[row] = f"size {scene.size[1]} x {scene.size[0]} (width x height), but {there}"
    return bad


def _class_names(found: SceneList, bad: dict[int, str]) -> list[str]:
    """As the annotations give them, else those of the boxes in train."""
    if found.class_names is not None:
        return list(found.class_names)
    train = [scene for row, scene in enumerate(found.scenes) if scene.file.part in ("", "train") and row not in bad]
    return class_order(box.label for scene in train for box in scene.boxes)


def _split(
    pictures: Pictures, rows: np.ndarray, boxes: Sequence[Sequence[FoundBox]], class_names: Sequence[str]
) -> DetectionSplit:
    numbers = {name: number for number, name in enumerate(class_names)}
    chosen = [boxes[row] for row in rows]
    return DetectionSplit(
        **pictures.split_arguments(rows),
        boxes=[np.array([box.corners for box in of], dtype=np.float32).reshape(-1, 4) for of in chosen],
        labels=[np.array([numbers[box.label] for box in of], dtype=np.int64) for of in chosen],
        difficult=[np.array([box.difficult for box in of], dtype=bool) for of in chosen],
    )


def _told(splits: dict[str, DetectionSplit], class_names: Sequence[str]) -> list[str]:
    """Counts worth telling: pictures without boxes, difficult ones, classes that a part lacks."""
    notes = []
    for part, split in splits.items():
        empty = sum(len(labels) == 0 for labels in split.labels)
        if empty:
            notes.append(f"{part}: {counted(empty, 'picture')} without boxes")
        difficult = sum(int(marked.sum()) for marked in split.difficult)
        if difficult:
            notes.append(f"{part}: {difficult:,} boxes are difficult or a crowd, and count neither way")
        there = Counter(int(label) for labels in split.labels for label in labels)
        lacking = [name for number, name in enumerate(class_names) if number not in there]
        if lacking:
            notes.append(f"{part} has no boxes of: {listing(lacking, limit=10)}")
    return notes
