"""The folders of Pascal VOC: which image belongs to which split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import SPLITS, Problem
from sensorium.data.io.text_files import name_lines
from sensorium.data.vision.listing import ImageListing, image_root
from sensorium.errors import RequestError
from sensorium.files import visible
from sensorium.vision.decode import IMAGE_SUFFIXES

_MARKS = ("1", "0", "-1")  # behind a name in the lists of one class: whether the image has it


@dataclass(frozen=True)
class Listed:
    """An image's name without folder and suffix. split: train, val, test, or "" without lists. source, line: where."""

    stem: str
    split: str
    source: str
    line: int = 0

    @property
    def place(self) -> str:
        """file:line, or the file."""
        return f"{self.source}:{self.line}" if self.line else self.source


def voc_listing(given: str | None, annotated: str, kind: str) -> tuple[ImageListing, Iterator[tuple[Listed, Path]]]:
    """A listing to be filled, and what ROOT/ImageSets/KIND lists with its images; a name without one is a problem.

    given: dataset.root. annotated: the folder of annotations, which counts where there are no lists.
    """
    root = image_root(given)
    _need_folders(root, (annotated, "JPEGImages"), kind)
    found = ImageListing(root)
    listed, found.notes = _listed_stems(root, kind, root / annotated)
    return found, _with_images(found, listed, root / "JPEGImages")


def _with_images(found: ImageListing, listed: Sequence[Listed], folder: Path) -> Iterator[tuple[Listed, Path]]:
    images = images_by_stem(found, folder)
    for entry in listed:
        if entry.stem in images:
            yield entry, images[entry.stem]
        else:
            found.problems.append(Problem(entry.place, f"there is no image {folder / entry.stem}.*"))


def _listed_stems(root: Path, kind: str, annotated: Path) -> tuple[list[Listed], list[str]]:
    """What ROOT/ImageSets/KIND lists, and notes; without lists, what the folder `annotated` holds.

    trainval counts as train where there is no list of train, and is not read otherwise.
    """
    lists = {path.stem: path for path in (root / "ImageSets" / kind).glob("*.txt") if visible(path.name)}
    splits = {split: lists[split] for split in SPLITS if split in lists}
    if not splits and "trainval" not in lists:
        stems = sorted({path.stem for path in annotated.iterdir() if path.is_file() and visible(path.name)})
        where = root / "ImageSets" / kind
        notes = [f"{where} has no lists of train, val and test; all of {annotated.name} is split"]
        return [Listed(stem, "", str(annotated / stem)) for stem in stems], notes
    notes = []
    if "train" not in splits:
        if "trainval" not in lists:
            raise RequestError(f"{root}/ImageSets/{kind} has no list of train: train.txt, or trainval.txt.")
        if "val" in splits:
            raise RequestError(f"{root}/ImageSets/{kind} has val.txt but no train.txt. Remove it, or add the other.")
        splits = {"train": lists["trainval"], **splits}
        notes.append(f"train: what {lists['trainval']} lists")
    return [listed for split, path in splits.items() for listed in _read(split, path)], notes


def _read(split: str, path: Path) -> list[Listed]:
    """A name a line, which may hold blanks; a last word 1, 0 or -1, as in the lists of one class, is no part of it."""
    found = []
    for number, line in name_lines(path):
        name, _, last = line.rpartition(" ")
        found.append(Listed(name.rstrip() if name and last in _MARKS else line, split, str(path), number))
    return found


def images_by_stem(found: ImageListing, folder: Path) -> dict[str, Path]:
    """The image files of a folder by name without suffix; of two with one name the second is a problem."""
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in IMAGE_SUFFIXES and visible(path.name) and images.setdefault(path.stem, path) != path:
            what = f"there is {images[path.stem].name} too; it is unclear which counts"
            found.problems.append(Problem(str(path), what))
    return images


def _need_folders(root: Path, names: tuple[str, ...], kind: str) -> None:
    """A RequestError that says what is missing, and whether a folder inside has it."""
    missing = [name for name in names if not (root / name).is_dir()]
    if missing:
        inside = [path for path in sorted(root.iterdir()) if all((path / name).is_dir() for name in names)]
        hint = f" Did you mean dataset.root={inside[0]}?" if inside else ""
        wanted = f"{names[0]}/*, {names[1]}/*, and ImageSets/{kind}/*.txt where there are lists"
        raise RequestError(f"dataset.root={root} has no folder {missing[0]}.{hint}\nExpected: {wanted}.")
