"""Pictures with boxes as YOLO's trainers read them: a text file for each picture, a box a line."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.folders import part_folders
from sensorium.data.vision.detection_files import FoundBox, FoundScene, SceneList, make_detection
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.scene_files import PictureFile, SceneSettings
from sensorium.data.vision.store import Channels
from sensorium.errors import RequestError
from sensorium.files import visible
from sensorium.specs import Resize
from sensorium.vision.decode import list_images

_VALUES = 5  # class, x, y, width, height


class Yolo:
    """`root/images/{train,val,test}/*` and `root/labels/{train,val,test}/*.txt`; or `root/train/images/*` and
    `root/train/labels/*.txt`, and so on; or `root/images/*` and `root/labels/*.txt`, divided here.

    A line is a class number and the box's middle x and y, width and height, as shares of the picture's width and
    height. A picture without a file of labels has no boxes.

    class_names: in the order of the numbers; None takes them from root/data.yaml (`names`) or root/classes.txt.
    """

    task = "detection"

    def __init__(
        self,
        *,
        root: str | None,
        class_names: Sequence[str] | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._root, self._class_names = root, class_names
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
        root = existing_image_source("root", self._root, folder=True)
        names = [str(name) for name in self._class_names or _read_names(root)]
        found = SceneList(root, class_names=names)
        for part, images, labels in _folders(root, found):
            _add_part(found, part, images, labels, names)
        return make_detection(found, self._settings, on_bad=on_bad)


def _folders(root: Path, found: SceneList) -> list[tuple[str, Path, Path]]:
    """Part, folder of pictures, folder of labels; part "" where pictures are in no part."""
    expected = f"Expected: {root}/images/train/PICTURE and {root}/labels/train/NAME.txt."
    if (root / "images").is_dir():
        folders, found.notes = part_folders(root / "images", expected=expected)
        return [
            (part, folder, root / "labels" / folder.relative_to(root / "images")) for part, folder in folders.items()
        ]
    folders, found.notes = part_folders(root, expected=expected)
    lacking = [folder for folder in folders.values() if not (folder / "images").is_dir()]
    if lacking:
        raise RequestError(f"{lacking[0]} has no folder images.\n{expected}")
    return [(part, folder / "images", folder / "labels") for part, folder in folders.items()]


def _add_part(found: SceneList, part: str, images: Path, labels: Path, names: Sequence[str]) -> None:
    if not labels.is_dir():
        raise RequestError(f"There is no folder {labels} for the pictures in {images}.")
    stems = set()
    for picture in list_images(images):
        path = labels / picture.relative_to(images).with_suffix(".txt")
        stems.add(path)
        found.scenes.append(
            FoundScene(PictureFile(picture, part, str(picture)), _boxes(found, path, names), relative=True)
        )
    # classes.txt lies among the labels where a labelling program has written it.
    others = (path for path in sorted(labels.rglob("*.txt")) if visible(path.name) and path.name != "classes.txt")
    found.problems += [
        Problem(str(path), f"there is no picture {images / path.relative_to(labels).with_suffix('')}.*")
        for path in others
        if path not in stems
    ]


def _boxes(found: SceneList, path: Path, names: Sequence[str]) -> list[FoundBox]:
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (UnicodeDecodeError, OSError):
        found.problems.append(
            Problem(str(path), "not a text file that can be read; its picture counts as without boxes")
        )
        return []
    boxes = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            box = _box(line.split(), f"{path}:{number}", names)
            if isinstance(box, Problem):
                found.problems.append(box)
            else:
                boxes.append(box)
    return boxes


def _box(words: Sequence[str], place: str, names: Sequence[str]) -> FoundBox | Problem:
    if len(words) != _VALUES:
        outline = "; outlines are not read as boxes" if len(words) > _VALUES + 1 else ""
        return Problem(place, f"{len(words)} values where a box has {_VALUES} (class x y width height){outline}")
    written = " ".join(words)
    if not words[0].isdigit() or int(words[0]) >= len(names):
        return Problem(place, f"class {words[0]!r} is no number from 0 to {len(names) - 1}")
    try:
        x, y, width, height = (float(word) for word in words[1:])
    except ValueError:
        return Problem(place, f"box with a number that is none ({written})")
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return FoundBox(place, names[int(words[0])], corners, written)


def _read_names(root: Path) -> list[str]:
    """From data.yaml, else classes.txt. Raises RequestError when neither tells."""
    for path in (root / "data.yaml", root / "data.yml"):
        if path.is_file():
            return _yaml_names(path)
    for path in (root / "classes.txt", root / "labels" / "classes.txt"):
        if path.is_file():
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            return [line.strip() for line in lines if line.strip()]
    raise RequestError(
        f"{root} has no data.yaml or classes.txt that names the classes.\n"
        "Say dataset.class_names=[NAME,NAME], in the order of their numbers."
    )


def _yaml_names(path: Path) -> list[str]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: not YAML ({str(error).splitlines()[0]}).") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, Mapping) and sorted(names) == list(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise RequestError(f"{path}: names should be a list of classes, or number: name from 0 on.")
    return [str(name) for name in names]
