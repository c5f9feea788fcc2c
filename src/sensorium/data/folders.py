"""Folders with one folder for each class, in parts or as a whole."""

from pathlib import Path

from sensorium.errors import RequestError, listing
from sensorium.files import visible

_NAMES = {"train": ("train",), "val": ("val", "valid", "validation", "dev"), "test": ("test",)}


def inner_folders(folder: Path) -> list[Path]:
    """The folders in a folder that are a person's own, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and visible(path.name))


def part_folders(root: Path, *, expected: str) -> tuple[dict[str, Path], list[str]]:
    """The folder of each part, {"": root} when root holds the class folders themselves; and notes.

    expected: what it should look like, for the message. Raises RequestError for two folders of one part, and for parts
    without train.
    """
    folders: dict[str, Path] = {}
    inside = inner_folders(root)
    for folder in inside:
        for part, names in _NAMES.items():
            if folder.name.lower() in names:
                if part in folders:
                    raise RequestError(
                        f"{root} has two {part} folders: {folders[part].name} and {folder.name}. Keep one."
                    )
                folders[part] = folder
    if not folders:
        return {"": root}, []
    if "train" not in folders:
        there = " and ".join(folder.name for folder in folders.values())
        raise RequestError(f"{root} has a folder {there} but none called train.\n{expected}")
    others = [folder.name for folder in inside if folder not in folders.values()]
    return folders, [f"{root}: left aside beside train: {listing(others, limit=10)}"] if others else []
