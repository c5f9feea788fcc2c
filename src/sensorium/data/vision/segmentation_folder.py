"""Images and masks in folders: a mask is an image file of the same name whose pixels are classes."""

from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.folders import inner_folders, note_others, split_folders
from sensorium.data.io.text_files import name_lines
from sensorium.data.vision.image_settings import ImageFileSettings
from sensorium.data.vision.images import image_masks
from sensorium.data.vision.listing import ImageListing, image_root
from sensorium.data.vision.mask_settings import MaskSettings
from sensorium.data.vision.mask_targets import lossy
from sensorium.errors import RequestError, listing
from sensorium.files import visible
from sensorium.vision.decode import IMAGE_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class SegmentationFolder(ImageFileSettings, MaskSettings):
    """`root/{train,val,test}/images/*` and `root/{train,val,test}/masks/*`, or `root/images/*` and `root/masks/*`."""

    task = "segmentation"

    root: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = image_root(self.root)
        expected = f"Expected: {root}/train/images/IMAGE and {root}/train/masks/MASK.png, or without train."
        found = ImageListing(root)
        folders, found.notes = split_folders(root, expected=expected)
        for split, folder in folders.items():
            if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
                raise RequestError(f"{folder} has no folders images and masks.\n{expected}")
            _list_split(found, split, folder)
        names = self.class_names or _listed_classes(root)
        return image_masks(found, self, self.mask_code(), on_bad=on_bad, class_names=names)


def _listed_classes(root: Path) -> list[str] | None:
    path = root / "classes.txt"
    if not path.is_file():
        return None
    names = [line for _, line in name_lines(path)]
    if not names:
        raise RequestError(
            f"{path} names no class.\nWrite one a line, in the order of the pixel numbers, or remove it."
        )
    return names


def _list_split(found: ImageListing, split: str, folder: Path) -> None:
    """Adds the pairs of a split, and what has no partner."""
    images, masks = (_by_stem(found, folder / name) for name in ("images", "masks"))
    for stem, image in images.items():
        mask = masks.pop(stem, None)
        if mask is None:
            found.problems.append(Problem(str(image), f"there is no mask {folder / 'masks' / stem}.png"))
        elif wrong := lossy(mask.suffix):
            found.problems.append(Problem(str(mask), wrong))
        else:
            found.add(image, mask, split=split)
    found.problems += [
        Problem(str(mask), f"there is no image {folder / 'images' / stem}.*") for stem, mask in masks.items()
    ]


def _by_stem(found: ImageListing, folder: Path) -> dict[str, Path]:
    """The image files of a folder by name without suffix."""
    paths: dict[str, Path] = {}
    others = []
    inner = [path.name for path in inner_folders(folder)]
    if inner:
        found.notes.append(f"{folder}: folders inside are not read: {listing(inner, limit=10)}")
    for path in sorted(folder.iterdir()):
        if not visible(path.name) or path.is_dir():
            continue
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            others.append(path)
            continue
        if path.stem in paths:
            what = f"{paths[path.stem].name} exists too; it is ambiguous which to use"
            found.problems.append(Problem(str(path), what))
        paths.setdefault(path.stem, path)
    note_others(found, folder, others)
    return paths
