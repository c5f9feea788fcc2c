"""Images with bounding boxes in YOLO format: a text file for each image, a box a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import yaml

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.folders import note_others, split_folders
from sensorium.data.io.text_files import name_lines
from sensorium.data.vision.box_targets import Annotation, Box
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_boxes
from sensorium.data.vision.listing import ImageListing, image_root
from sensorium.errors import RequestError, cut
from sensorium.files import exists, is_file, visible, walk
from sensorium.vision.decode import IMAGE_SUFFIXES, list_images

_VALUES = 5  # class, x, y, width, height
_YAMLS = ("data.yaml", "data.yml", "dataset.yaml")
_SPLIT_KEYS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


class _Words(yaml.SafeLoader):
    """YAML in which every plain word is a string: classes called on, off, yes, no or 1.0 are not true, false or 1."""


_Words.yaml_implicit_resolvers = {}


@dataclass(frozen=True, kw_only=True)
class Yolo(ImageFileSettings):
    """`root/images/{train,val,test}/*` and `root/labels/{train,val,test}/*.txt`; or `root/train/images/*` and
    `root/train/labels/*.txt`, and so on; or `root/images/*` and `root/labels/*.txt`, divided here; or what train, val
    and test of root/data.yaml name: folders, or text files that list images.

    A line is a class number and the box's center x and y, width and height, as fractions of the image's width and
    height; or a class number and the corners of an outline, whose bounding box is taken. An image without a file of
    labels has no boxes.

    class_names: in the order of the numbers; None takes them from root/data.yaml (`names`) or root/classes.txt.
    """

    task = "detection"

    root: str | None
    class_names: Sequence[str] | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = image_root(self.root)
        about = _read_yaml(root)
        names = [str(name) for name in self.class_names or _class_names(root, about)]
        found = ImageListing(root)
        reader = _Reader(found, names, keypoints=_keypoint_values(root, about))
        splits = _named_splits(root, about)
        if splits:
            for split, files in splits.items():
                reader.add_images(split, files)
        else:
            for split, images, labels in _folders(root, found):
                reader.add_folder(split, images, labels)
        if reader.outlines:
            found.notes.append(f"{reader.outlines:,} outlines are read as their bounding boxes")
        found.need()
        return image_boxes(found, self, on_bad=on_bad, class_names=names)


class _Reader:
    """Adds images with the boxes of their files of labels. outlines: how many boxes were given by their outline.

    keypoints: how many values behind each box say where its keypoints are.
    """

    def __init__(self, found: ImageListing, names: Sequence[str], *, keypoints: int) -> None:
        self._found, self._names, self.outlines = found, names, 0
        self._keypoints = keypoints

    def add_folder(self, split: str, images: Path, labels: Path) -> None:
        """The images of a folder, with the labels of another."""
        if not labels.is_dir():
            raise RequestError(f"There is no folder {labels} for the images in {images}.")
        files = set()
        there, loops = walk(images)
        found = [path for path in there if path.suffix.lower() in IMAGE_SUFFIXES]
        # Labels may lie beside the images, where labels and images are one folder.
        rest = [path for path in there if path.suffix.lower() not in (*IMAGE_SUFFIXES, ".txt")]
        note_others(self._found, images, rest, loops)
        for image in found:
            path = labels / image.relative_to(images).with_suffix(".txt")
            files.add(path)
            self._add(split, image, path)
        # classes.txt lies among the labels where a labeling program has written it.
        named = (path for path in walk(labels)[0] if path.suffix.lower() == ".txt" and path.name != "classes.txt")
        self._found.problems += [
            Problem(str(path), f"there is no image {images / path.relative_to(labels).with_suffix('')}.*")
            for path in named
            if path.with_suffix(".txt") not in files
        ]

    def add_images(self, split: str, images: Sequence[Path]) -> None:
        """Images by path, whose labels lie in the folder that is called labels instead of images."""
        self._found.given.add(split)
        for image in images:
            if is_file(image):
                self._add(split, image, _labels_of(image))
            else:
                self._found.problems.append(Problem(cut(image), "there is no such image"))

    def _add(self, split: str, image: Path, labels: Path) -> None:
        annotation = Annotation(relative=True)
        labels = labels if labels.is_file() else labels.with_suffix(".TXT")
        try:
            lines = labels.read_text(encoding="utf-8-sig").splitlines() if labels.is_file() else []
        except (UnicodeDecodeError, OSError):
            lines = []
            annotation.add(Problem(str(labels), "not a text file that can be read"))
        for number, line in enumerate(lines, start=1):
            if line.strip():
                annotation.add(self._box(line.split(), f"{labels}:{number}"))
        self._found.add(image, annotation, split=split)

    def _box(self, words: Sequence[str], place: str) -> Box | Problem:
        if self._keypoints and len(words) == _VALUES + self._keypoints:
            words = words[:_VALUES]
        outline = len(words) >= 7 and len(words) % 2 == 1
        if len(words) != _VALUES and not outline:
            return Problem(place, f"{len(words)} values where a box has {_VALUES} (class x y width height)")
        written = " ".join(words[:_VALUES]) + (" ..." if outline else "")
        if not words[0].isdecimal() or int(words[0]) >= len(self._names):
            return Problem(place, f"class {words[0]!r} is no number from 0 to {len(self._names) - 1}")
        try:
            values = [float(word) for word in words[1:]]
        except ValueError:
            return Problem(place, f"box with a value that is not a number ({written})")
        label = self._names[int(words[0])]
        if outline:
            self.outlines += 1
            across, down = values[::2], values[1::2]
            return Box(place, label, (min(across), min(down), max(across), max(down)), written)
        x, y, width, height = values
        return Box(place, label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), written)


def _labels_of(image: Path) -> Path:
    parts = list(image.with_suffix(".txt").parts)
    places = [place for place, part in enumerate(parts) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts)


def _folders(root: Path, found: ImageListing) -> list[tuple[str, Path, Path]]:
    """Split, folder of images, folder of labels; split "" where unknown."""
    expected = f"Expected: {root}/images/train/IMAGE and {root}/labels/train/NAME.txt."
    if (root / "images").is_dir():
        folders, found.notes = split_folders(root / "images", expected=expected)
        if "" not in folders:
            loose = [path for path in sorted((root / "images").iterdir()) if visible(path.name) and not path.is_dir()]
            note_others(found, root / "images", [path for path in loose if path.suffix.lower() != ".txt"])
        return [
            (split, folder, root / "labels" / folder.relative_to(root / "images")) for split, folder in folders.items()
        ]
    folders, found.notes = split_folders(root, expected=expected)
    lacking = [folder for folder in folders.values() if not (folder / "images").is_dir()]
    if lacking:
        raise RequestError(f"{lacking[0]} has no folder images.\n{expected}")
    return [(split, folder / "images", folder / "labels") for split, folder in folders.items()]


def _named_splits(root: Path, about: Mapping[str, Any]) -> dict[str, list[Path]]:
    """The images of each split that data.yaml names, where all that it names is there; {} otherwise.

    Paths are relative to `path` in data.yaml, to the root, or, as exports of labeling services have them, from a folder
    beside it (../train/images).
    """
    named = {
        split: value
        for split, keys in _SPLIT_KEYS.items()
        if (value := next((about[key] for key in keys if about.get(key)), None)) is not None
    }
    found: dict[str, list[Path]] = {}
    for split, value in named.items():
        paths = [_located(root, about, str(one)) for one in (value if isinstance(value, list) else [value])]
        if any(path is None for path in paths):
            if split == "test":  # often named, and not there
                continue
            return {}
        found[split] = [image for path in paths if path is not None for image in _listed_images(path)]
    return found if found.get("train") else {}


def _located(root: Path, about: Mapping[str, Any], name: str) -> Path | None:
    base = Path(str(about.get("path") or ""))
    stripped = Path(*[part for part in Path(name).parts if part != ".."])
    for path in (root / base / name, root / name, root / stripped):
        if exists(path):
            return path
    return None


def _listed_images(path: Path) -> list[Path]:
    if path.is_dir():
        inner = path / "images"
        return list_images(inner if inner.is_dir() else path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return [path]
    listed = [(line, path.parent / line) for _, line in name_lines(path)]
    return [named if is_file(named) else path.parent / line.replace("\\", "/") for line, named in listed]


def _keypoint_values(root: Path, about: Mapping[str, Any]) -> int:
    """How many values of keypoints follow a box, by kpt_shape in data.yaml: [keypoints, 2 or 3 values each]."""
    shape = about.get("kpt_shape")
    if shape is None:
        return 0
    if not isinstance(shape, list) or [str(part).isdecimal() for part in shape] != [True, True]:
        raise RequestError(f"{root}: kpt_shape={shape} in data.yaml; it should be [NUMBER, 2] or [NUMBER, 3].")
    return int(shape[0]) * int(shape[1])


def _read_yaml(root: Path) -> dict[str, Any]:
    """The content of data.yaml; {} without one."""
    path = next((root / name for name in _YAMLS if (root / name).is_file()), None)
    if path is None:
        return {}
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Words)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: not YAML ({str(error).splitlines()[0]}).") from error
    if not isinstance(content, dict | NoneType):
        raise RequestError(f"{path}: a line such as 'names: [cat, dog]' is needed, not {type(content).__name__}.")
    return content or {}


def _class_names(root: Path, about: Mapping[str, Any]) -> list[str]:
    """From data.yaml, else classes.txt. Raises RequestError when neither says them."""
    if about:
        names = about.get("names")
        if isinstance(names, Mapping) and sorted(names, key=str) == sorted(map(str, range(len(names)))):
            names = [names[str(number)] for number in range(len(names))]
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            return names
        raise RequestError(f"{root}: names in data.yaml should be a list of classes, or number: name from 0 on.")
    for path in (root / "classes.txt", root / "labels" / "classes.txt"):
        if path.is_file():
            return [line for _, line in name_lines(path)]
    raise RequestError(
        f"{root} has no data.yaml or classes.txt that names the classes.\n"
        "Set dataset.class_names=[NAME,NAME], in the order of their numbers."
    )
