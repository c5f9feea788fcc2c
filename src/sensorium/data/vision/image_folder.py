"""A folder of pictures with one folder for each class."""

from collections.abc import Sequence
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem, counted
from sensorium.data.folders import inner_folders, part_folders
from sensorium.data.vision.files import FileSettings
from sensorium.data.vision.listed import FileList, LabelledFile, existing_image_source
from sensorium.data.vision.store import Channels
from sensorium.errors import RequestError
from sensorium.files import visible
from sensorium.specs import Resize
from sensorium.vision.decode import IMAGE_SUFFIXES, list_files


class ImageFolder:
    """`root/train/CLASS/*`, with `val` (or `valid`, `validation`, `dev`) and `test` beside train where there are any;
    or `root/CLASS/*`. Parts that are not there are held out of train. Folders inside a class folder belong to it.
    """

    task = "classification"

    def __init__(
        self,
        *,
        root: str | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._root = root
        self._settings = FileSettings(
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
        found = FileList(root)
        folders, found.notes = part_folders(root, expected=_expected(root))
        if "" in folders:
            _refuse_one_too_high(root, inner_folders(root))
        for part, folder in folders.items():
            _list_part(found, part, folder)
        if not found.files:
            raise RequestError(f"dataset.root={root} holds {_what_is_there(root)}.\n{_expected(root)}")
        return self._settings.make(found, on_bad)


def _refuse_one_too_high(root: Path, inside: list[Path]) -> None:
    if len(inside) == 1 and len(inner_folders(inside[0])) > 1:
        raise RequestError(
            f"{root} has one folder only, with folders of its own.\nDid you mean dataset.root={inside[0]}?"
        )


def _list_part(found: FileList, part: str, folder: Path) -> None:
    """Adds the pictures of a part's class folders, and what is wrong with them."""
    others: list[Path] = []
    for class_folder in inner_folders(folder):
        files = list_files(class_folder)
        pictures = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        if len(pictures) < len(files):
            others += [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]
        found.files += [LabelledFile(path, class_folder.name, part, str(path)) for path in pictures]
        if not pictures:
            found.problems.append(Problem(str(class_folder), "class folder without pictures"))
    found.problems += [Problem(str(path), "picture outside of any class folder") for path in _loose_pictures(folder)]
    if others:
        kinds = ", ".join(sorted({path.suffix.lower() or "no suffix" for path in others}))
        what = counted(len(others), "file")
        found.notes.append(f"{folder}: {what} not read, for no picture ends like that ({kinds}), such as {others[0]}")


def _loose_pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and visible(path.name) and not path.is_dir()
    )


def _what_is_there(root: Path) -> str:
    if inner_folders(root):
        return f"{counted(len(inner_folders(root)), 'folder')} without pictures"
    loose = len(_loose_pictures(root))
    return f"{counted(loose, 'picture')} but no class folders" if loose else "neither pictures nor folders"


def _expected(root: Path) -> str:
    return f"Expected: {root}/CLASS/PICTURE or {root}/train/CLASS/PICTURE. For a list of labels say dataset=image_csv."
