"""COCO's JSON files of annotations, and the folders of their images."""

import json
import mmap
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sensorium.cli.guess.base import Guess, override
from sensorium.cli.guess.texts import PARTS
from sensorium.errors import RequestError

_KEYS = (rb'"images"\s*:\s*\[', rb'"annotations"\s*:\s*\[', rb'"categories"\s*:\s*\[')
_FOLDERS = 2000  # that are looked through for an image


def is_coco(path: Path) -> bool:
    """Whether a file has the lists of COCO's instances; it may be large and is not parsed."""
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return all(re.search(key, content) for key in _KEYS)


def in_folder(root: Path) -> list[Guess]:
    """A folder with such files in it, or in its folders, one for each split."""
    found = [path for path in sorted((*root.glob("*.json"), *root.glob("*/*.json"))) if is_coco(path)]
    boxes = [path for path in found if path.name.startswith("instances")] or found
    if not boxes:
        return []
    files = {part: [path for path in boxes if _part(path, root) == part] for part in ("train", "val", "test")}
    if len(boxes) == 1:
        files = {"train": boxes}
    several = next((paths for paths in files.values() if len(paths) > 1), None)
    if several:
        raise RequestError(
            f"{several[0]} and {several[1]} are annotations of one split.\n"
            "Name the files: dataset=coco dataset.train_json=... dataset.train_images=..."
        )
    return [of_files({part: paths[0] for part, paths in files.items() if paths}, root=root)]


def of_files(files: dict[str, Path], *, root: Path) -> Guess:
    """files: of train and maybe val and test. Raises RequestError when the images of one are nowhere below `root`."""
    overrides = ["dataset=coco"]
    for part, path in files.items():
        overrides += [override(f"{part}_json", path), override(f"{part}_images", _images(path, root))]
    return Guess("images with bounding boxes in COCO's format", tuple(overrides))


def _part(path: Path, root: Path) -> str:
    name = str(path.relative_to(root)).lower()
    found = [part for part, words in PARTS.items() if any(word in name for word in words)]
    return found[0] if found and "train" not in name else "train"


def _images(path: Path, root: Path) -> Path:
    """The folder that the first image's file_name is relative to."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        written = re.search(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")', content)
        name = json.loads(written[1]) if written else ""
    for folder in islice((path.parent, *_folders(root)), _FOLDERS):
        if name and (folder / name).is_file():
            return folder
    raise RequestError(
        f"{path}: its first image, {name or 'without a file_name'}, is in no folder of {root}.\nSay where: "
        f"dataset=coco {override('train_json', path)} dataset.train_images=FOLDER"
    )


def _folders(root: Path) -> Iterator[Path]:
    for place, folders, _ in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(place)
