"""Published datasets of labeled texts from local files: the publisher's archive unpacked, or a copy of the Hub's
repository.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from sensorium.data.base import Problem
from sensorium.data.folders import class_files, note_others
from sensorium.data.io.tables import open_table
from sensorium.data.io.text_files import read_pieces
from sensorium.data.text.labeled import TextListing
from sensorium.data.text.movie_reviews import FILES, lines_of, uneven
from sensorium.errors import RequestError, listing
from sensorium.files import visible

CLASSES = ("negative", "positive")  # in the order of the published numbers
_TABLES = {  # published split -> how its files are called, packed or not
    "train": re.compile(r"train(-\d+-of-\d+)?\.(tsv|jsonl|parquet)"),
    "validation": re.compile(r"(dev|val|validation)(-\d+-of-\d+)?\.(tsv|jsonl|parquet)"),
    "test": re.compile(r"test(-\d+-of-\d+)?\.(tsv|jsonl|parquet)"),
}


class Published(NamedTuple):
    """address: on huggingface.co/datasets. splits: split -> that of the publisher; others are held out of train. text:
    the column of tables. files: as people have them, for messages. folders: of the archive or the repository, inside of
    which they may lie. own: reads the publisher's own files, if they are no tables; returns whether there are any.
    """

    address: str
    splits: dict[str, str]
    text: str
    files: str
    folders: tuple[str, ...]
    own: Callable[[TextListing, Path], bool] | None


def add_files(found: TextListing, root: Path, known: Published) -> bool:
    """Adds the texts of the files in a folder; returns whether there are any. What is not read is noted.

    Raises RequestError where some of the files are there and others are not.
    """
    for folder in (root, *(root / name for name in known.folders)):
        if folder.is_dir() and ((known.own and known.own(found, folder)) or _add_tables(found, folder, known)):
            found.notes.insert(0, f"read from the files in {folder}")
            return True
    return False


def add_imdb(found: TextListing, folder: Path) -> bool:
    """aclImdb: {train,test}/{pos,neg}/*.txt, and train/unsup, whose reviews have no class."""
    needed = [f"{split}/{label}" for split in ("train", "test") for label in ("neg", "pos")]
    missing = [name for name in needed if not (folder / name).is_dir()]
    if len(missing) == len(needed):
        return False
    if missing:
        raise RequestError(
            f"{folder} has no folder {listing(missing)}, which aclImdb has.\nUnpack aclImdb_v1.tar.gz again, or use"
            f" dataset=text_folder dataset.root={folder} for what is there."
        )
    names = {"neg": "negative", "pos": "positive"}
    files = class_files(found, folder, suffixes=(".txt",), expected="", unlabeled=("unsup",), loose_are_bad=False)
    for path, label, split in files:
        if label not in names:
            found.refused(str(path), 0, f"in the folder {label}, which is no class of aclImdb: neg, pos", split=split)
            continue
        pieces = list(read_pieces(path, key=None))
        if problems := [piece for piece in pieces if isinstance(piece, Problem)]:
            found.problems += problems
        else:
            found.add("".join(map(str, pieces)), names[label], source=str(path), split=split)
    return True


def add_polarity(found: TextListing, folder: Path) -> bool:
    """rt-polarity.pos and rt-polarity.neg, divided as the Hub's `rotten_tomatoes` is: of each file the first 80% of
    the lines are train, the next 10% val, the last 10% test, by the number of positive ones.
    """
    paths = {label: folder / name for label, name in FILES.items()}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if len(missing) == len(paths):
        return False
    if missing:
        raise RequestError(f"{folder} has no {missing[0]}, which belongs to the movie reviews. Unpack them again.")
    lines = {label: lines_of(path) for label, path in paths.items()}
    found.notes += uneven(lines)
    count = len(lines["positive"])
    first, second = (int(count * share + 0.5) for share in (0.8, 0.9))
    for label, path in paths.items():
        for number, line in enumerate(lines[label]):
            split = "train" if number < first else "val" if number < second else "test"
            found.add(line, label, source=str(path), line=number + 1, split=split)
    _note_rest(found, folder, list(paths.values()))
    return True


def _add_tables(found: TextListing, folder: Path, known: Published) -> bool:
    """A table, or several numbered ones, for each split: GLUE's train.tsv and dev.tsv, the Hub's parquet files."""
    files = {split: _tables(folder, _TABLES[published]) for split, published in known.splits.items()}
    if not any(files.values()):
        return False
    for split, paths in files.items():
        if not paths:
            raise RequestError(f"{folder} has no file of the published {known.splits[split]} split, for {split}.")
        for path in paths:
            _add_table(found, path, split, known.text)
    _note_rest(found, folder, [path for paths in files.values() for path in paths])
    return True


def _tables(folder: Path, name: re.Pattern[str]) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if name.fullmatch(path.name.removesuffix(".gz"))]


def _add_table(found: TextListing, path: Path, split: str, text: str) -> None:
    table = open_table(path, encoding=None)
    missing = [name for name in (text, "label") if name not in table.columns]
    if missing:
        raise RequestError(
            f"{path} has no column {missing[0]!r}; the published file has {text} and label.\n"
            f"Its columns are: {listing(table.columns) or 'none at all'}. For a table of your own use dataset=text_csv."
        )
    for row in table.rows([text, "label"]):
        if isinstance(row, Problem):
            found.problems.append(row)
            continue
        line, (content, label) = row
        label = label.strip()
        if label in ("0", "1"):
            found.add(content, CLASSES[int(label)], source=str(path), line=line, split=split)
        else:
            what = "no label" if label in ("", "-1") else f"label {label!r} is neither 0 (negative) nor 1 (positive)"
            found.refused(str(path), line, what, split=split)


def _note_rest(found: TextListing, folder: Path, read: Sequence[Path]) -> None:
    entries = [path for path in sorted(folder.iterdir()) if visible(path.name) and path not in read]
    note_others(found, folder, [path for path in entries if not path.is_dir()])
    if folders := [path.name for path in entries if path.is_dir()]:
        found.notes.append(f"{folder}: folders that are not read: {listing(folders, limit=10)}")
