"""Bounding boxes in each image: checked one by one, and converted to pixels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensorium.data.base import OnBad, Problem, class_order, counted, first_problem
from sensorium.data.pipeline import NoTargets, Rows
from sensorium.data.vision.inputs import SceneInputs
from sensorium.data.vision.listing import ImageListing, unlike_size
from sensorium.errors import RequestError, listing, nearest
from sensorium.vision.fit_boxes import clip_boxes

_ROUNDING = 1.0  # pixels that a box may reach beyond the image: it is clipped, which is counted

Corners = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box as a file says it. place: file:line or the like. corners: left, top, right, bottom in pixels.

    written: its numbers in the words of the file, for messages. difficult: ignored in evaluation and training.
    """

    place: str
    label: str
    corners: Corners
    written: str
    difficult: bool = False


class EmptyBox(Problem):
    """A box without an area: it hides nothing, so its image can be used without it."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """The boxes of an image. problems: of boxes that cannot be read. size: (height, width) that the annotation says,
    with the place where it says so.

    relative: corners are fractions of the image's width and height instead of pixels. image_id: what the source calls
    the image, where detections are to be handed back under it.
    """

    boxes: list[Box] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    size: tuple[int, int] | None = None
    size_place: str = ""
    relative: bool = False
    image_id: int | str | None = None

    def add(self, found: Box | Problem) -> None:
        """A box of the image, or what is wrong with it."""
        if isinstance(found, Box):
            self.boxes.append(found)
        else:
            self.problems.append(found)


def whole_number(value: Any) -> int:
    """A side of an image that an annotation says, 32, 32.0 or "32"; 0 for what is no whole number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return int(number) if number.is_integer() else 0


class BoxTargets(NoTargets):
    """Boxes of the classes `class_names`; None takes those of the boxes in train. category_ids: what the source calls
    the classes; () for their numbers from 1 on.

    A box that cannot be used is a problem. With on_bad="skip" one that reaches beyond the edge is clipped, an empty one
    is skipped, and any other takes its image with it: an image without one of its boxes would teach that there is only
    background.
    """

    copies = "images that duplicate another in the same split"

    def __init__(
        self,
        found: ImageListing,
        *,
        class_names: Sequence[str] | None,
        on_bad: OnBad,
        category_ids: tuple[int | str, ...] = (),
    ) -> None:
        self._category_ids = category_ids
        self._found, self._given, self._on_bad = found, class_names, on_bad
        self._boxes: list[list[Box]] = []
        self._numbers: dict[str, int] = {}
        self._clipped: list[str] = []
        self._repeated: list[str] = []

    def check(self, inputs: SceneInputs) -> dict[int, Any]:
        """Sizes that annotations say, and every box."""
        bad: dict[int, Any] = {**self._unlike_sizes(inputs), **inputs.unusable}
        train = [row for row in self._found.rows("train").tolist() if row not in bad]
        names = self._given
        if names is None:
            names = class_order(box.label for row in train for box in self._found.targets[row].boxes)
        self._numbers = {str(name): number for number, name in enumerate(names)}
        if len(self._numbers) < len(names):
            raise RequestError(f"Two classes of {self._found.source} have the same name: {listing(map(str, names))}.")
        for row, (annotation, size) in enumerate(zip(self._found.targets, inputs.sizes.tolist(), strict=True)):
            if row in bad:
                self._boxes.append([])
                continue
            usable, empty, problems = self._checked(annotation, size)
            self._boxes.append(usable)
            self._found.problems += [*empty, *problems[1:]]
            if problems:
                bad[row] = problems[0]
        return bad

    def _checked(self, annotation: Annotation, size: Sequence[int]) -> tuple[list[Box], list[Problem], list[Problem]]:
        """The usable boxes of an image of (height, width), in pixels, inside it; the empty ones, which hide nothing;
        and what is wrong with others.
        """
        height, width = size
        scale = np.array([width, height] * 2 if annotation.relative else [1] * 4)
        usable: dict[tuple[str, Corners], Box] = {}
        empty: list[Problem] = []
        problems = list(annotation.problems)
        for box in annotation.boxes:
            corners = np.array(box.corners, dtype=np.float64) * scale
            if problem := self._fault(box, corners, height, width):
                (empty if isinstance(problem, EmptyBox) else problems).append(problem)
                continue
            inside = clip_boxes(corners, (height, width))
            if (inside != corners).any() and not np.allclose(inside, corners, rtol=0, atol=1e-3):
                self._clipped.append(box.place)
            left, top, right, bottom = inside.tolist()
            found = Box(box.place, box.label, (left, top, right, bottom), box.written, box.difficult)
            if usable.setdefault((found.label, found.corners), found) is not found:
                self._repeated.append(box.place)
        return list(usable.values()), empty, problems

    def _fault(self, box: Box, corners: np.ndarray, height: int, width: int) -> Problem | None:
        if not np.isfinite(corners).all():
            return Problem(box.place, f"box with a value that is not a number ({box.written})")
        sides = corners[2:] - corners[:2]
        if (sides < 0).any():
            return Problem(box.place, f"inverted box ({box.written})")
        if (sides == 0).any():
            return EmptyBox(box.place, f"empty box ({box.written})")
        beyond = max(*(-corners[:2]), corners[2] - width, corners[3] - height)
        inside = clip_boxes(corners, (height, width))
        allowed = np.inf if self._on_bad == "skip" else _ROUNDING + 1e-3
        if beyond > allowed or (inside[2:] <= inside[:2]).any():
            what = f"box outside the image, which is {width} wide and {height} high ({box.written})"
            return Problem(box.place, what)
        if box.label not in self._numbers:
            guess = nearest(box.label, self._numbers)
            where = "in the list of classes" if self._given is not None else "in train"
            hint = f"; the nearest is {guess!r}" if guess else ""
            return Problem(box.place, f"class {box.label!r} is not {where}{hint}")
        return None

    def _unlike_sizes(self, inputs: SceneInputs) -> dict[int, Problem]:
        """The images whose annotation says another size."""
        found = zip(self._found.targets, map(tuple, inputs.sizes.tolist()), strict=True)
        return {
            row: Problem(annotation.size_place, unlike_size(self._found.files[row], annotation.size, size))
            for row, (annotation, size) in enumerate(found)
            if annotation.size is not None and size[0] and annotation.size != size
        }

    def settle(self, train: np.ndarray, problems: Sequence[Problem]) -> None:
        """Train has to have a box that counts."""
        boxes = [box for row in train.tolist() for box in self._boxes[row]]
        if not boxes:
            raise RequestError(f"{self._found.source} has no usable box in train.{first_problem(problems)}")
        if all(box.difficult for box in boxes):
            raise RequestError(
                f"{self._found.source}: all {counted(len(boxes), 'box')} in train are difficult or a crowd, which are"
                " ignored: there is nothing to learn from."
            )

    def columns(self, rows: np.ndarray) -> dict[str, Any]:
        """Boxes (n, 4) float32, labels (n,) int64 and difficult ones (n,) bool of each image; and ids."""
        chosen = [self._boxes[row] for row in rows.tolist()]
        return {
            "boxes": [np.array([box.corners for box in of], dtype=np.float32).reshape(-1, 4) for of in chosen],
            "labels": [np.array([self._numbers[box.label] for box in of], dtype=np.int64) for of in chosen],
            "difficult": [np.array([box.difficult for box in of], dtype=bool) for of in chosen],
            "image_ids": self._image_ids(rows),
            "category_ids": self._category_ids or tuple(range(1, len(self._numbers) + 1)),
        }

    def _image_ids(self, rows: np.ndarray) -> list[int | str]:
        """Those of the source; the number in the split where it has none."""
        named = (self._found.targets[row].image_id for row in rows.tolist())
        return [number if image_id is None else image_id for number, image_id in enumerate(named)]

    def spec(self) -> dict[str, Any]:
        """The class names."""
        return {"class_names": tuple(self._numbers)}

    def notes_on(self, rows: Rows) -> list[str]:
        """Boxes clipped and repeated; images without boxes, ignored boxes, and classes that a split lacks."""
        counts = {
            "clipped at the edge of the image": self._clipped,
            "listed twice in one image, used once": self._repeated,
        }
        notes = [
            f"{len(places):,} box{'' if len(places) == 1 else 'es'} {what} ({places[0]})"
            for what, places in counts.items()
            if places
        ]
        return [*notes, *(note for split, of in rows.items() for note in self._notes_on(split, of))]

    def _notes_on(self, split: str, rows: np.ndarray) -> Iterator[str]:
        boxes = [self._boxes[row] for row in rows.tolist()]
        if empty := sum(not of for of in boxes):
            yield f"{split}: {counted(empty, 'image')} without boxes"
        if difficult := sum(box.difficult for of in boxes for box in of):
            yield f"{split}: {difficult:,} boxes are difficult or a crowd, and ignored in evaluation"
        there = Counter(box.label for of in boxes for box in of)
        if lacking := [name for name in self._numbers if name not in there]:
            yield f"{split} has no boxes of: {listing(lacking, limit=10)}"
