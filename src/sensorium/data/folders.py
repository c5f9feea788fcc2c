"""Folders with one folder for each class, in splits or as a whole."""

import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sensorium.data.base import Problem, counted
from sensorium.data.listing import SPLIT_NAMES, Listing
from sensorium.errors import RequestError, listing
from sensorium.files import exists, leads_back, visible, walk
from sensorium.suffixes import UNREAD_AUDIO_SUFFIXES

# What people put before and behind the name of a split: seg_train, train2017, train_set.
_SPLIT = "|".join(sorted(SPLIT_NAMES, key=len, reverse=True))
_AFFIXED = re.compile(rf"(.*?[_\-. ])??({_SPLIT})([_\-. ]\w+|[_\-. ]?(?:\d+|set|data|images|imgs))?")


def inner_folders(folder: Path) -> list[Path]:
    """The folders in a folder that are the user's own, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and visible(path.name))


def split_folders(root: Path, *, expected: str) -> tuple[dict[str, Path], list[str]]:
    """The folder of each split, {"": root} when root holds no such folders; and notes.

    Splits are called train, val (valid, validation, dev) and test (testing), alone or all with the same words before
    and behind, as in seg_train and seg_test, or train2017 and val2017.

    expected: what it should look like, for the message. Raises RequestError for two folders of one split, and for
    splits without train.
    """
    inside = inner_folders(root)
    folders = _exact(root, inside) or _affixed(inside)
    if not folders:
        return {"": root}, []
    if "train" not in folders:
        there = " and ".join(folder.name for folder in folders.values())
        raise RequestError(f"{root} has a folder {there} but none called train.\n{expected}")
    others = [folder.name for folder in inside if folder not in folders.values()]
    notes = [f"{root}: not used as a split: {listing(others, limit=10)}"] if others else []
    renamed = [f"{folder.name} is {split}" for split, folder in folders.items() if folder.name.lower() != split]
    if renamed:
        notes.append(f"{root}: {', '.join(renamed)}")
    return folders, notes


def _exact(root: Path, inside: list[Path]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for folder in inside:
        split = SPLIT_NAMES.get(folder.name.lower())
        if split in folders:
            raise RequestError(f"{root} has two {split} folders: {folders[split].name} and {folder.name}. Keep one.")
        if split is not None:
            folders[split] = folder
    return folders


def _affixed(inside: list[Path]) -> dict[str, Path]:
    """Splits by name that share what stands before and behind; a class such as crash_test shares it with no train."""
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    for folder in inside:
        if found := _AFFIXED.fullmatch(folder.name.lower()):
            groups.setdefault((found[1] or "", found[3] or ""), {})[SPLIT_NAMES[found[2]]] = folder
    several = [group for group in groups.values() if "train" in group and len(group) > 1]
    return several[0] if len(several) == 1 else {}


def class_files(
    found: Listing,
    root: Path,
    *,
    suffixes: Collection[str],
    expected: str,
    unlabeled: Collection[str] = (),
    loose_are_bad: bool = True,
) -> Iterator[tuple[Path, str, str]]:
    """Every file of the class folders in a root, with its class and its split, "" when unknown.

    What is not listed goes to the notes and problems of `found`: other files, links that lead back, class folders
    without a file, files outside of class folders. unlabeled: names of folders that hold examples without a class.
    loose_are_bad: a file outside of class folders is a problem, not a note.

    Raises RequestError for a folder in which class folders lie one deeper, and for one in which all of them have the
    same folders inside: classes and splits are then the other way round.
    """
    folders, notes = split_folders(root, expected=expected)
    found.notes += notes
    for split, folder in folders.items():
        inside = inner_folders(folder)
        if not split:
            _refuse_other_level(root, inside)
        for class_folder in inside:
            if class_folder.is_symlink() and leads_back(class_folder, root):
                note_others(found, folder, (), [class_folder])
                continue
            files, loops = walk(class_folder)
            if class_folder.name in unlabeled:
                what = counted(len(files), "file")
                found.notes.append(f"{class_folder}: {what} not read, as they have no class")
                continue
            usable = [path for path in files if path.suffix.lower() in suffixes]
            yield from ((path, class_folder.name, split) for path in usable)
            found.given.add(split or "train")
            if not usable:
                found.problems.append(Problem(str(class_folder), f"class folder without {found.unit}s"))
            note_others(found, class_folder, [path for path in files if path.suffix.lower() not in suffixes], loops)
        loose = [path for path in sorted(folder.iterdir()) if visible(path.name) and not path.is_dir()]
        outside = [path for path in loose if loose_are_bad and path.suffix.lower() in suffixes]
        found.problems += [Problem(str(path), f"{found.unit} outside of any class folder") for path in outside]
        note_others(found, folder, [path for path in loose if path not in outside])
    if "" not in folders:
        note_others(found, root, [path for path in sorted(root.iterdir()) if visible(path.name) and not path.is_dir()])


def note_others(found: Listing, folder: Path, others: Sequence[Path], loops: Sequence[Path] = ()) -> None:
    """Notes the files of a folder that are not read, links that lead back, and links to what is gone."""
    gone = [path for path in others if path.is_symlink() and not exists(path)]
    others = [path for path in others if path not in gone]
    if others:
        kinds = ", ".join(sorted({path.suffix.lower() or "no suffix" for path in others}))
        what = counted(len(others), "file")
        found.notes.append(f"{folder}: {what} not read as {found.unit}s ({kinds}), such as {others[0]}")
        recordings = [path for path in others if path.suffix.lower() in UNREAD_AUDIO_SUFFIXES]
        if recordings and found.unit == "recording":
            what, path = counted(len(recordings), "recording"), recordings[0]
            command = f"ffmpeg -i {shlex.quote(path.name)} {shlex.quote(f'{path.stem}.wav')}"
            found.notes.append(f"{folder}: {what} in a format that is not read; convert first: {command}")
    found.notes += [f"{link}: a link that leads back to a folder it lies in; not followed" for link in loops]
    found.notes += [f"{link}: a broken link to {link.readlink()}; not read" for link in gone]


def _refuse_other_level(root: Path, inside: list[Path]) -> None:
    deeper = {folder: {path.name for path in inner_folders(folder)} for folder in inside}
    if len(inside) == 1 and len(deeper[inside[0]]) > 1:
        raise RequestError(
            f"{root} has one folder only, with folders of its own.\nDid you mean dataset.root={inside[0]}?"
        )
    common = set.intersection(*deeper.values()) if deeper else set()
    if len(inside) > 1 and len(common) > 1 and all(names == common for names in deeper.values()):
        raise RequestError(
            f"{root}: the folders {listing([path.name for path in inside], limit=5)} all hold the folders"
            f" {listing(sorted(common), limit=5)}. Which are the classes?\n"
            "If the outer folders are splits, call them train, val and test; if they are classes, put the files of each"
            " into one folder."
        )
