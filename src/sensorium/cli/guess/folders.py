"""What a folder holds, from the names of its folders and files."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from sensorium.cli.guess import coco, published, shards, tables, texts
from sensorium.cli.guess.base import Guess, override
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
EXPECTED = (
    "known are a folder per class (images,\nrecordings, .txt), the layouts of VOC, YOLO, COCO, Kaldi and LJ Speech, "
    "images beside masks, two parallel files, a table, tar shards. See: sensorium list what=datasets"
)
YOLO = "images with bounding boxes in YOLO's layout"
_LOOKED_AT = 2000  # files of a folder
# These take val_path and test_path.
_WITH_PARTS = ("text_csv", "text_regression_csv", "speech_manifest", "audio_csv", "parallel_tsv", "parallel_table")


def guesses(root: Path) -> list[Guess]:
    """All that a folder could be, the likeliest first."""
    if (known := published.of_folder(root)) is not None:
        return [known]
    layouts = _layouts(root) or coco.in_folder(root)
    if layouts:
        return layouts
    return (
        [*_by_class(root), *_by_table(root)]
        or shards.of_folder(root, [folder for name, folder in _names(root).items() if name in SPLITS])
        or texts.parallel_files(root)
        or ([] if _names(root) else texts.of_folder(root))
    )


def is_yolo(root: Path) -> bool:
    """images/ and labels/*.txt, as a whole or in each split."""
    places = [root, *(folder for name, folder in _names(root).items() if name in SPLITS)]
    return any({"images", "labels"} <= _names(at).keys() and _count(at / "labels", (".txt",)) for at in places)


def _layouts(root: Path) -> list[Guess]:
    names = _names(root)
    below = _names(names["train"]) if "train" in names else names
    voc = "in Pascal VOC's layout"
    found = (
        ({"annotations", "jpegimages"} <= names.keys(), f"images with bounding boxes {voc}", "voc"),
        ({"segmentationclass", "jpegimages"} <= names.keys(), f"images with masks {voc}", "voc_segmentation"),
        (is_yolo(root), YOLO, "yolo"),
        ({"images", "masks"} <= below.keys(), "images with masks", "segmentation_folder"),
    )
    return [Guess(what, (f"dataset={dataset}", override("root", root))) for fits, what, dataset in found if fits]


def _by_class(root: Path) -> list[Guess]:
    """A folder per class; two guesses where there are about as many files of two modalities."""
    names = _names(root)
    splits = [folder for name, folder in names.items() if name in SPLITS]
    classes = {name for folder in splits for name in _names(folder)} if len(splits) == len(names) else set(names)
    if len(classes) < 2:
        return []
    by_suffix = (
        (IMAGE_SUFFIXES, "images in a folder per class", "image_folder"),
        (AUDIO_SUFFIXES, "recordings in a folder per class", "speech_folder"),
        ((".txt",), "texts in a folder per class", "text_folder"),
    )
    counts = sorted(((_count(root, suffixes), what, dataset) for suffixes, what, dataset in by_suffix), reverse=True)
    return [
        Guess(f"{what} ({', '.join(sorted(classes)[:6])})", (f"dataset={dataset}", override("root", root)))
        for count, what, dataset in counts
        if count and 2 * count > counts[0][0]
    ]


def _by_table(root: Path) -> list[Guess]:
    """A table among the files of a folder; or one for each split."""
    found = [path for path in sorted(root.iterdir()) if path.suffix.lower() in tables.SUFFIXES and path.is_file()]
    train = [path for path in found if path.stem.lower() in ("train", "training")]
    if len(found) != 1 and len(train) != 1:
        return []
    path = found[0] if len(found) == 1 else train[0]
    return [_with_parts(guess, found) for guess in tables.guesses(path)]


def _with_parts(guess: Guess, found: list[Path]) -> Guess:
    if guess.overrides[0].removeprefix("dataset=") not in _WITH_PARTS:
        return guess
    more = [
        override(f"{part}_path", path)
        for part, names in texts.PARTS.items()
        for path in [path for path in found if path.stem.lower() in names][:1]
    ]
    return Guess(guess.what, (*guess.overrides, *more))


def _names(root: Path) -> dict[str, Path]:
    """The folders in a folder, by name in lower case."""
    return {entry.name.lower(): entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}


def _count(root: Path, suffixes: tuple[str, ...]) -> int:
    return sum(name.lower().endswith(suffixes) for name in islice(_files(root), _LOOKED_AT))


def _files(root: Path) -> Iterator[str]:
    for _, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from sorted(files)
