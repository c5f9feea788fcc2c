"""Pictures and masks in folders: a mask is a picture file of the same name whose pixels are classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.folders import part_folders
from sensorium.data.vision.listed import existing_image_source
from sensorium.data.vision.scene_files import PictureFile, SceneSettings
from sensorium.data.vision.segmentation_files import MaskedPicture, MaskList, make_segmentation
from sensorium.data.vision.store import Channels
from sensorium.errors import RequestError
from sensorium.files import visible
from sensorium.specs import Resize
from sensorium.vision.decode import IMAGE_SUFFIXES
from sensorium.vision.masks import MaskCode, Name

_LOSSY = (".jpg", ".jpeg", ".jpe", ".webp")


class SegmentationFolder:
    """`root/{train,val,test}/images/*` and `root/{train,val,test}/masks/*`, or `root/images/*` and `root/masks/*`.

    class_names: of the pixel numbers from 0 on, without the ignored ones; None takes the lines of root/classes.txt,
    else the names of the colours, else the numbers found in train. colours: name -> [red, green, blue], for masks of
    colours; None for masks of numbers. ignore_index: the number, or the name of the colour, or a list, that stands for
    no class; 255 always does among numbers.
    """

    task = "segmentation"

    def __init__(
        self,
        *,
        root: str | None,
        class_names: Sequence[str] | None,
        colours: Mapping[str, Sequence[int]] | None,
        ignore_index: Name | Sequence[Name] | None,
        image_size: int | Sequence[int] | None,
        resize: Resize,
        channels: Channels,
        cache_bytes: int,
        val_fraction: float,
        test_fraction: float,
        split_seed: int,
    ) -> None:
        self._root, self._class_names = root, class_names
        self._code = MaskCode(ignored=ignored_names(ignore_index), colours=colours)
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
        expected = f"Expected: {root}/train/images/PICTURE and {root}/train/masks/MASK.png, or without train."
        found = MaskList(root, class_names=self._class_names or _listed_classes(root))
        folders, found.notes = part_folders(root, expected=expected)
        for part, folder in folders.items():
            if not (folder / "images").is_dir() or not (folder / "masks").is_dir():
                raise RequestError(f"{folder} has no folders images and masks.\n{expected}")
            _list_part(found, part, folder)
        return make_segmentation(found, self._settings, self._code, on_bad=on_bad)


def ignored_names(ignore_index: Name | Sequence[Name] | None) -> Sequence[Name]:
    """dataset.ignore_index as a list."""
    if ignore_index is None:
        return ()
    return (ignore_index,) if isinstance(ignore_index, int | str) else ignore_index


def _listed_classes(root: Path) -> list[str] | None:
    path = root / "classes.txt"
    if not path.is_file():
        return None
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _list_part(found: MaskList, part: str, folder: Path) -> None:
    """Adds the pairs of a part, and what has no partner."""
    pictures, masks = (_by_stem(found, folder / name) for name in ("images", "masks"))
    for stem, picture in pictures.items():
        mask = masks.pop(stem, None)
        if mask is None:
            found.problems.append(Problem(str(picture), f"there is no mask {folder / 'masks' / stem}.png"))
        elif mask.suffix.lower() in _LOSSY:
            found.problems.append(Problem(str(mask), f"{mask.suffix} changes the pixels of a mask; save it as PNG"))
        else:
            found.pictures.append(MaskedPicture(PictureFile(picture, part, str(picture)), mask))
    found.problems += [
        Problem(str(mask), f"there is no picture {folder / 'images' / stem}.*") for stem, mask in masks.items()
    ]


def _by_stem(found: MaskList, folder: Path) -> dict[str, Path]:
    """The picture files of a folder by name without suffix."""
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES or not visible(path.name):
            continue
        if path.stem in paths:
            found.problems.append(
                Problem(str(path), f"there is {paths[path.stem].name} too; nobody knows which counts")
            )
        paths.setdefault(path.stem, path)
    return paths
