"""Pictures with boxes in the JSON format of COCO ("instances").

T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, 2014, arXiv 1405.0312.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.vision.detection_files import FoundBox, FoundScene, SceneList, make_detection
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.scene_files import PictureFile, SceneSettings
from sensorium.data.vision.store import Channels
from sensorium.errors import RequestError, as_typed, listing
from sensorium.specs import Resize

_LISTS = ("images", "annotations", "categories")
_LARGEST = 10**12  # pixels; a float has more, and an integer of JSON may have 400 digits


class Coco:
    """A JSON file for each part, and folders of pictures.

    train_json: also what val and test are held out of where they have no file. train_images, val_images, test_images:
    folders; None for val and test takes that of train. Classes are the categories of train_json, in the order of their
    ids. A box is x, y, width, height; a crowd counts neither for nor against a detector.
    """

    task = "detection"

    def __init__(
        self,
        *,
        train_json: str | None,
        val_json: str | None,
        test_json: str | None,
        train_images: str | None,
        val_images: str | None,
        test_images: str | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._files = {"train": train_json, "val": val_json, "test": test_json}
        self._folders = {"train": train_images, "val": val_images, "test": test_images}
        self._settings = SceneSettings(
            image_size=image_size,
            resize=resize,
            channels=channels,
            cache_bytes=cache_bytes,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        path = existing_image_source("train_json", self._files["train"], folder=False)
        found = SceneList(path)
        for part, given in self._files.items():
            if part != "train" and given is None:
                continue
            path = existing_image_source(f"{part}_json", given, folder=False)
            key = part if self._folders[part] is not None else "train"
            folder = existing_image_source(f"{key}_images", self._folders[key], folder=True)
            content = _read(path)
            names = _categories(content["categories"], path)
            if part == "train":
                found.class_names = list(names.values())
            _add_part(found, part, path, content, folder, names)
        return make_detection(found, self._settings, on_bad=on_bad)


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # not JSON, or not UTF-8
        raise RequestError(f"{path}: not JSON ({error}).") from error
    lacking = [key for key in _LISTS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if lacking:
        raise RequestError(f"{path}: has no list {lacking[0]!r}; COCO's instances have {listing(_LISTS)}.")
    return content


def _categories(categories: Sequence[Any], path: Path) -> dict[Any, str]:
    """The name of each category's id, in the order of the ids."""
    try:
        names = {category["id"]: str(category["name"]) for category in sorted(categories, key=lambda c: c["id"])}
    except (TypeError, KeyError) as error:
        raise RequestError(f"{path}: a category without a whole number as id, or without a name.") from error
    if len(set(names.values())) < len(categories):
        raise RequestError(f"{path}: two categories have the same id or name: {listing(names.values())}.")
    return names


def _add_part(
    found: SceneList, part: str, path: Path, content: dict[str, list[Any]], folder: Path, names: dict[Any, str]
) -> None:
    """Adds the pictures of a file and their boxes, and says what is wrong with others."""
    scenes: dict[Any, FoundScene] = {}
    unusable = set()  # ids of pictures whose boxes need no message of their own
    for entry in content["images"]:
        scene = _scene(entry, part, path, folder)
        if isinstance(scene, Problem):
            found.problems.append(scene)
            unusable.add(_id(entry))
        elif entry["id"] in scenes:
            found.problems.append(Problem(f"{path}: image {entry['id']}", "two pictures have this id"))
        else:
            scenes[entry["id"]] = scene
    for number, entry in enumerate(content["annotations"]):
        box = _box(entry, number, path, names)
        if isinstance(box, Problem):
            found.problems.append(box)
        elif (image := _id(entry, "image_id")) in scenes:
            scenes[image].boxes.append(box)
        elif image not in unusable:
            found.problems.append(Problem(box.place, f"there is no image {image}"))
    found.scenes += scenes.values()


def _id(entry: Any, key: str = "id") -> int | str:
    """The id of an entry; written out where it is of another type, such as a list."""
    given = entry.get(key) if isinstance(entry, dict) else None
    return given if isinstance(given, int | str) else repr(given)


def _scene(entry: Any, part: str, path: Path, folder: Path) -> FoundScene | Problem:
    place = f"{path}: image {_id(entry)}"
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), int | str) or not entry.get("file_name"):
        return Problem(place, "image without id or file_name")
    picture = folder / str(entry["file_name"])
    if not picture.is_file():
        return Problem(place, f"there is no picture {picture}")
    height, width = entry.get("height"), entry.get("width")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return FoundScene(PictureFile(picture, part, str(picture)), [], size, place)


def _box(entry: Any, number: int, path: Path, names: dict[Any, str]) -> FoundBox | Problem:
    if not isinstance(entry, dict):
        return Problem(f"{path}: annotation number {number}", f"{type(entry).__name__} where an object is needed")
    place = f"{path}: annotation {entry.get('id', f'number {number}')}"
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        given = f"{len(box)} numbers" if isinstance(box, list) else "none"
        return Problem(place, f"bbox of four numbers is needed (x, y, width, height), there is {given}")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in box):
        return Problem(place, f"box with a number that is none (bbox {box})")
    if any(isinstance(value, int) and abs(value) > _LARGEST for value in box):
        return Problem(place, f"box with a number far beyond any image (bbox {as_typed(box)})")
    category = entry.get("category_id")
    if not isinstance(category, int | str) or category not in names:
        return Problem(place, f"category {category!r} is not in the list of categories")
    x, y, width, height = (float(value) for value in box)
    corners = (x, y, x + width, y + height)
    return FoundBox(place, names[category], corners, f"bbox {box}", bool(entry.get("iscrowd")))
