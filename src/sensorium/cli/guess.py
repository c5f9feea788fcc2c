"""`sensorium train photos/` and `sensorium train reviews.csv`: which dataset a folder or a file is, from what is there.

Nothing is trained on a guess unseen: what was taken for what is printed, with the full command. No torch.
"""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sensorium.cli.arguments import OPTIONS
from sensorium.errors import RequestError
from sensorium.suffixes import AUDIO_SUFFIXES, IMAGE_SUFFIXES

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
TEXT_COLUMNS = ("text", "sentence", "review", "comment", "message", "content", "tweet")
LABEL_COLUMNS = ("label", "class", "category", "sentiment", "target")
TRANSCRIPT_COLUMNS = ("transcript", "transcription", "text", "sentence")
_LOOKED_AT = 2000  # files of a folder


class Guess(NamedTuple):
    """what: a folder or file was taken for. overrides: that say the same."""

    what: str
    overrides: tuple[str, ...]


def expanded(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Arguments of `train` in which a path in the place of key=value has become overrides; and what to say about it.

    Raises RequestError for a path that is no known kind of data, or that is not there.
    """
    values = {
        number + 1 for number, argument in enumerate(arguments) if argument in OPTIONS
    }  # of --config-dir and so on
    paths = [argument for number, argument in enumerate(arguments) if number not in values and _is_path(argument)]
    if not paths:
        return list(arguments), None
    if len(paths) > 1 or any(
        argument.startswith(("dataset=", "dataset.root=", "dataset.path=")) for argument in arguments
    ):
        raise RequestError(
            f"{paths[-1]!r} is data beside other data. Give one folder or file, or dataset=NAME with its keys."
        )
    found = guessed(Path(os.path.expanduser(paths[0])))  # noqa: PTH111 (Path.expanduser fails for an unknown user)
    rest = [argument for argument in arguments if argument != paths[0]]
    full = " ".join(["sensorium train", *(shown(argument) for argument in (*found.overrides, *rest))])
    return [*found.overrides, *rest], f"{paths[0]}: taken for {found.what}. The same in full: {full}"


def _is_path(argument: str) -> bool:
    """Whether an argument is a path: neither an option nor key=value. What is called a=b is written ./a=b."""
    if argument.startswith(("./", "../", "/", "~/")):
        return True
    if "=" in argument or argument.startswith(("-", "~", "+")):
        return False
    return "/" in argument or Path(argument).suffix.lower() in TABLES or Path(argument).exists()


def shown(argument: str) -> str:
    """An override as a line in a shell has it."""
    return argument if re.fullmatch(r"[\w@%+=:,./-]+", argument) else "'" + argument.replace("'", "'\\''") + "'"


def guessed(path: Path) -> Guess:
    """What is at a path. Raises RequestError when it is nothing that can be told."""
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise RequestError(f"There is no file or folder {path}.")
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return _table(path)
    if suffix == ".txt":
        return Guess("running text, for a language model", ("dataset=text_file", _override("path", path)))
    raise RequestError(
        f"{path} is no kind of data that can be told by itself. Known are folders, {', '.join(TABLES)} and .txt files."
        "\nFor others name the dataset: sensorium list what=datasets"
    )


# -- folders


def _folder(root: Path) -> Guess:
    names = {entry.name.lower(): entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    inside = {entry.name.lower() for folder in names.values() for entry in folder.iterdir() if entry.is_dir()}
    layouts: tuple[tuple[bool, str, str], ...] = (
        ({"annotations", "jpegimages"} <= names.keys(), "images with bounding boxes in Pascal VOC's layout", "voc"),
        ({"images", "labels"} <= names.keys(), "images with bounding boxes in YOLO's layout", "yolo"),
        ("train" in names and {"images", "masks"} <= inside, "images with masks", "segmentation_folder"),
    )
    for fits, what, dataset in layouts:
        if fits:
            return Guess(what, (f"dataset={dataset}", _override("root", root)))
    classes = _classes(names, inside)
    by_suffix = (
        (IMAGE_SUFFIXES, "images in a folder per class", "image_folder"),
        (AUDIO_SUFFIXES, "recordings in a folder per class", "speech_folder"),
        ((".txt",), "texts in a folder per class", "text_folder"),
    )
    counts = [(_count(root, suffixes), what, dataset) for suffixes, what, dataset in by_suffix]
    count, what, dataset = max(counts)
    if not count or len(classes) < 2:
        raise RequestError(
            f"{root} is no kind of data that can be told by itself: a folder per class with images, recordings or .txt "
            "files is,\nand so are Pascal VOC's, YOLO's and image/mask layouts. For others name the dataset: "
            "sensorium list what=datasets"
        )
    return Guess(f"{what} ({', '.join(sorted(classes)[:6])})", (f"dataset={dataset}", _override("root", root)))


def _classes(names: dict[str, Path], inside: set[str]) -> set[str]:
    """Names of the class folders: those below the splits where there are splits."""
    return inside if names and all(name in SPLITS for name in names) else set(names)


def _count(root: Path, suffixes: tuple[str, ...]) -> int:
    return sum(name.lower().endswith(suffixes) for name, _ in zip(_files(root), range(_LOOKED_AT), strict=False))


def _files(root: Path) -> Iterator[str]:
    for _, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from sorted(files)


# -- tables


def _table(path: Path) -> Guess:
    header, row = _first_rows(path)
    folded = {name.strip().lower(): name.strip() for name in header}
    image = _column_by_cell(header, row, IMAGE_SUFFIXES)
    audio = _column_by_cell(header, row, AUDIO_SUFFIXES)
    label = _first(folded, LABEL_COLUMNS)
    if audio is not None and (transcript := _first(folded, TRANSCRIPT_COLUMNS)) is not None:
        columns = {"audio_column": (audio, "audio"), "text_column": (transcript, "text")}
        return Guess(f"recordings ({audio}) with transcripts ({transcript})", _with(path, "speech_manifest", columns))
    if image is not None and label is not None:
        columns = {"path_column": (image, "path"), "label_column": (label, "label")}
        return Guess(f"images ({image}) with a class each ({label})", _with(path, "image_csv", columns))
    text = _first(folded, TEXT_COLUMNS)
    if text is not None and label is not None:
        columns = {"text_column": (text, "text"), "label_column": (label, "label")}
        return Guess(f"texts ({text}) with a class each ({label})", _with(path, "text_csv", columns))
    raise RequestError(
        f"{path} has the columns {', '.join(name.strip() for name in header) or 'none'}: what they hold cannot be told."
        "\nName the dataset and its columns, such as dataset=text_csv dataset.path=... dataset.text_column=... "
        "dataset.label_column=..."
    )


def _first_rows(path: Path) -> tuple[list[str], list[str]]:
    """Column names and the cells of the first row."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if path.suffix.lower() in (".jsonl", ".ndjson"):
            first = _object(file.readline())
            return list(first), [str(value) for value in first.values()]
        head = file.readline()
        separator = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=head.count)
        file.seek(0)
        rows = csv.reader(file, delimiter=separator)
        return next(rows, []), next(rows, [])


def _object(line: str) -> dict[str, object]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _column_by_cell(header: Sequence[str], row: Sequence[str], suffixes: tuple[str, ...]) -> str | None:
    """The column whose first cell is the name of such a file."""
    named = zip(header, row, strict=False)
    return next((name.strip() for name, cell in named if cell.strip().lower().endswith(suffixes)), None)


def _first(folded: dict[str, str], names: Sequence[str]) -> str | None:
    return next((folded[name] for name in names if name in folded), None)


def _with(path: Path, dataset: str, columns: dict[str, tuple[str, str]]) -> tuple[str, ...]:
    """Overrides for a table, with the columns whose names are not the dataset's own."""
    chosen = [_override(key, name) for key, (name, usual) in columns.items() if name != usual]
    return (f"dataset={dataset}", _override("path", path), *chosen)


def _override(key: str, value: Path | str) -> str:
    """dataset.KEY=VALUE, quoted for Hydra's grammar where it needs to be."""
    text = str(value)
    plain: Callable[[str], object] = re.compile(r"[\w./-]+").fullmatch
    return f"dataset.{key}={text}" if plain(text) else f"dataset.{key}='" + text.replace("'", "\\'") + "'"
