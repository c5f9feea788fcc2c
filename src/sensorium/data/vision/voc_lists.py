"""The folders of Pascal VOC: which picture belongs to which part."""

from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Problem
from sensorium.errors import RequestError
from sensorium.files import visible
from sensorium.vision.decode import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Listed:
    """A picture's name without folder and suffix. part: train, val, test, or "" without lists. place: file:line."""

    stem: str
    part: str
    place: str


def listed_stems(root: Path, kind: str, annotated: Path) -> tuple[list[Listed], list[str]]:
    """What ROOT/ImageSets/KIND lists, and notes; without lists, what the folder `annotated` holds.

    trainval counts as train where there is no list of train, and is left aside otherwise.
    """
    lists = {path.stem: path for path in (root / "ImageSets" / kind).glob("*.txt") if visible(path.name)}
    parts = {part: lists[part] for part in ("train", "val", "test") if part in lists}
    if not parts and "trainval" not in lists:
        stems = sorted({path.stem for path in annotated.iterdir() if path.is_file() and visible(path.name)})
        where = root / "ImageSets" / kind
        notes = [f"{where} has no lists of train, val and test; all of {annotated.name} is divided"]
        return [Listed(stem, "", str(annotated / stem)) for stem in stems], notes
    notes = []
    if "train" not in parts:
        if "trainval" not in lists:
            raise RequestError(f"{root}/ImageSets/{kind} has no list of train: train.txt, or trainval.txt.")
        if "val" in parts:
            raise RequestError(f"{root}/ImageSets/{kind} has val.txt but no train.txt. Remove it, or add the other.")
        parts = {"train": lists["trainval"], **parts}
        notes.append(f"train: what {lists['trainval']} lists")
    return [listed for part, path in parts.items() for listed in _read(part, path)], notes


def _read(part: str, path: Path) -> list[Listed]:
    """A name a line; a second word, as in the lists of one class, is not looked at."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not UTF-8 text (at byte {error.start}). Save it as UTF-8.") from error
    return [Listed(line.split()[0], part, f"{path}:{n}") for n, line in enumerate(lines, start=1) if line.strip()]


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """The picture files of a folder by name without suffix."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and visible(path.name)}


def need_folders(root: Path, names: tuple[str, ...], kind: str) -> None:
    """A RequestError that says what is missing, and whether a folder inside has it."""
    missing = [name for name in names if not (root / name).is_dir()]
    if missing:
        inside = [path for path in sorted(root.iterdir()) if all((path / name).is_dir() for name in names)]
        hint = f" Did you mean dataset.root={inside[0]}?" if inside else ""
        wanted = f"{names[0]}/*, {names[1]}/*, and ImageSets/{kind}/*.txt where there are lists"
        raise RequestError(f"dataset.root={root} has no folder {missing[0]}.{hint}\nExpected: {wanted}.")


def missing_picture(listed: Listed, folder: Path) -> Problem:
    """Said of a name in a list without a file in the folder of pictures."""
    return Problem(listed.place, f"there is no picture {folder / listed.stem}.*")
