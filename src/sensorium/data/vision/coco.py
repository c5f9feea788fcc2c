"""Images with bounding boxes in the JSON format of COCO ("instances").

T.-Y. Lin et al., Microsoft COCO: Common Objects in Context, 2014, arXiv 1405.0312.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.data.base import SPLITS, Data, OnBad, Problem, counted
from sensorium.data.io.paths import existing
from sensorium.data.vision.box_targets import Annotation, Box
from sensorium.data.vision.coco_boxes import box_of, size_of
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_boxes
from sensorium.data.vision.listing import ImageListing, image_root
from sensorium.errors import RequestError, listing
from sensorium.files import json_value

_LISTS = ("images", "annotations", "categories")
Id = int | str


@dataclass(frozen=True, kw_only=True)
class Coco(ImageFileSettings):
    """A JSON file for each split, and folders of images.

    train_json: also what val and test are held out of where they have no file. train_images, val_images, test_images:
    folders; None for val and test takes that of train. Classes are the categories of train_json, in the order of their
    ids; one that is only the supercategory of others, and has no boxes, is no class. A box is x, y, width, height, or
    what encloses a segmentation; a crowd is ignored in training and evaluation.
    """

    task = "detection"

    train_json: str | None
    val_json: str | None
    test_json: str | None
    train_images: str | None
    val_images: str | None
    test_images: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        found = ImageListing(existing("train_json", self.train_json))
        ids: dict[str, Id] = {}
        for split in SPLITS:
            given, folder = getattr(self, f"{split}_json"), getattr(self, f"{split}_images")
            if split != "train" and given is None:
                continue
            path = existing(f"{split}_json", given)
            key = "train" if folder is None else split
            file = _CocoFile(path, image_root(self.train_images if folder is None else folder, key=f"{key}_images"))
            if split == "train":
                ids = {name: number for number, name in file.names.items()}
            elif any(ids.get(name, number) != number for number, name in file.names.items()):
                found.notes.append(f"{path}: ids of categories differ from those of train; detections have train's")
            file.list_images(found, split)
        found.need()
        return image_boxes(found, self, on_bad=on_bad, class_names=list(ids), category_ids=tuple(ids.values()))


class _CocoFile:
    """One file. names: of the categories that are classes, by id, in the order of the ids."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._content = _read(path)
        self.names, self._parents = self._categories()

    def list_images(self, found: ImageListing, split: str) -> None:
        """Adds the images and their boxes, and says what is wrong with others."""
        images: dict[Id, Annotation] = {}
        unusable = set()  # ids of images whose boxes need no message of their own
        for entry in self._content["images"]:
            number = _id(entry)
            given = entry.get("id") if isinstance(entry, dict) else None
            place = f"{self._path}: image {given!s:.40}"
            if number is None or not entry.get("file_name"):
                found.problems.append(Problem(place, "image without id or file_name"))
            elif number in images or number in unusable:
                found.problems.append(Problem(place, "two images have this id"))
            elif (image := self._located(str(entry["file_name"]))) is None:
                unusable.add(number)
                found.problems.append(Problem(place, f"there is no image {self._folder / str(entry['file_name'])}"))
            else:
                images[number] = Annotation(size=size_of(entry), size_place=place, image_id=number)
                found.add(image, images[number], split=split)
        self._add_boxes(found, images, unusable)
        if self._parents:
            found.notes.append(f"{self._path}: {listing(self._parents)}: a category of categories only, no class")

    def _add_boxes(self, found: ImageListing, images: Mapping[Id, Annotation], unusable: set[Id]) -> None:
        drawn = 0
        for number, entry in enumerate(self._content["annotations"]):
            if not isinstance(entry, dict):
                what = f"{type(entry).__name__} where an object is needed"
                found.problems.append(Problem(f"{self._path}: annotation number {number}", what))
                continue
            place = f"{self._path}: annotation {entry.get('id', f'number {number}')!s:.40}"
            given = entry.get("image_id")
            image = _as_id(given)
            if image is not None and image in images:
                drawn += not isinstance(entry.get("bbox"), list)
                try:
                    images[image].boxes.append(self._box(entry, place))
                except ValueError as error:
                    images[image].problems.append(Problem(place, str(error)))
            elif image is None or image not in unusable:
                found.problems.append(Problem(place, f"there is no image {given!r:.40}"))
        if drawn:
            found.notes.append(f"{self._path}: {counted(drawn, 'annotation')} without bbox; computed from the outline")

    def _box(self, entry: Mapping[str, Any], place: str) -> Box:
        """Raises ValueError for what is wrong with it."""
        category = _as_id(entry.get("category_id"))
        if category is None or category not in self.names:
            raise ValueError(f"category {entry.get('category_id')!r:.40} is not in the list of categories")
        return box_of(entry, place, self.names[category])

    def _located(self, name: str) -> Path | None:
        """The file of that name: as written, with Windows' backslashes, or without the folders in front of it."""
        for form in (name, name.replace("\\", "/"), name.replace("\\", "/").rpartition("/")[2]):
            try:
                if (self._folder / form).is_file():
                    return self._folder / form
            except OSError:  # too long for a name
                return None
        return None

    def _categories(self) -> tuple[dict[Id, str], list[str]]:
        """The name of each category's id, in the order of the ids; and names of categories that are only parents."""
        categories = self._content["categories"]
        for category in categories:
            if _id(category) is None or not isinstance(category.get("name"), str | int | float):
                raise RequestError(f"{self._path}: a category without a number as id, or without a name.")
        used = {_as_id(entry.get("category_id")) for entry in self._content["annotations"] if isinstance(entry, dict)}
        above = {str(category.get("supercategory")) for category in categories}
        categories = [{**one, "id": _id(one)} for one in categories]
        ordered = sorted(categories, key=lambda one: (isinstance(one["id"], str), one["id"]))
        parents = [
            str(one["name"])
            for one in ordered
            if one["id"] not in used and str(one["name"]) in above and one.get("supercategory") in (None, "none", "")
        ]
        # An export's root is often named like one of its classes: the one without boxes is the root.
        classes = [one for one in ordered if str(one["name"]) not in parents or one["id"] in used]
        if parents and not classes:
            classes, parents = ordered, []
        names = {one["id"]: str(one["name"]) for one in classes}
        if len(set(names.values())) < len(classes):
            raise RequestError(f"{self._path}: two categories have the same id or name: {listing(names.values())}.")
        return names, parents


def _read(path: Path) -> dict[str, list[Any]]:
    try:
        content = json_value(path.read_bytes())
    except ValueError as error:  # not JSON, or not UTF-8
        raise RequestError(f"{path}: not JSON ({error}).") from error
    lacking = [key for key in _LISTS if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if lacking:
        raise RequestError(f"{path}: has no list {lacking[0]!r}; COCO's instances have {listing(_LISTS)}.")
    return content


def _id(entry: Any) -> Id | None:
    return _as_id(entry.get("id")) if isinstance(entry, dict) else None


def _as_id(value: Any) -> Id | None:
    """An id; 1.0, as tables write it, is 1. None for what is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None
