"""Folders as publishers and other toolkits lay them out, recognized by the names of their files."""

from pathlib import Path

from sensorium.cli.guess import tables
from sensorium.cli.guess.base import Guess, override
from sensorium.cli.guess.columns import columns_of, read_rows
from sensorium.cli.guess.texts import PARTS
from sensorium.suffixes import AUDIO_SUFFIXES

_MULTI30K = ("train", "val", "test_2016_flickr")
_LIBRISPEECH = {"train": "train-", "val": "dev-", "test": "test-"}
_TABLE_FOLDERS = ("meta", "metadata")


def of_folder(root: Path) -> Guess | None:
    """The layout of a folder; None for one that is not known."""
    for layout in (_texts, _kaldi, _librispeech, _ljspeech, _recordings_table):
        if (guess := layout(root)) is not None:
            return guess
    return None


def _texts(root: Path) -> Guess | None:
    at = override("root", root)
    if all((root / split / label).is_dir() for split in ("train", "test") for label in ("pos", "neg")) and (
        (root / "train" / "unsup").is_dir() or (root / "imdb.vocab").is_file()
    ):
        return Guess("the film reviews of aclImdb", ("dataset=imdb", at))
    if all((root / name).is_file() for name in ("train.tsv", "dev.tsv", "test.tsv")):
        first = read_rows(root / "test.tsv")[:1]
        if first == [["index", "sentence"]]:
            return Guess("GLUE's SST-2", ("dataset=sst2", at))
    if all((root / f"rt-polarity.{label}").is_file() for label in ("pos", "neg")):
        return Guess("film reviews (rt-polarity), in ten folds", ("dataset=movie_reviews", at))
    for place in (root, root / "data" / "task1" / "raw"):
        if all(any(place.glob(f"{name}.{language}*")) for name in _MULTI30K for language in ("en", "de")):
            return Guess("Multi30k, from English into German", ("dataset=multi30k", at))
    return None


def _kaldi(root: Path) -> Guess | None:
    """wav.scp and text, here or in a folder for each split, which may be called as recipes do: train_clean_5."""
    what = "recordings with transcripts in Kaldi's layout"
    overrides = ["dataset=kaldi", override("root", root)]
    if (root / "wav.scp").is_file():
        return Guess(what, tuple(overrides)) if (root / "text").is_file() else None
    names = sorted(path.parent.name for path in root.glob("*/wav.scp"))
    train = [name for name in names if name.lower().startswith("train")]
    if len(train) != 1:
        return None
    if train != ["train"]:
        overrides.append(override("train", train[0]))
        for part, words in PARTS.items():
            there = [name for name in names if name.lower().startswith(words)]
            overrides += [override(part, name) for name in there[:1]]
    return Guess(what, tuple(overrides))


def _librispeech(root: Path) -> Guess | None:
    names = sorted(path.name for path in root.iterdir() if path.is_dir())
    subsets = {split: [name for name in names if name.startswith(start)] for split, start in _LIBRISPEECH.items()}
    if not all(subsets.values()) or not any(root.glob("*/*/*/*.trans.txt")):
        return None
    chosen = [override("train", subsets["train"]), *(override(split, subsets[split][0]) for split in ("val", "test"))]
    return Guess("LibriSpeech", ("dataset=librispeech", override("root", root), *chosen))


def _ljspeech(root: Path) -> Guess | None:
    table = root / "metadata.csv"
    if not (table.is_file() and (root / "wavs").is_dir()):
        return None
    with table.open(encoding="utf-8-sig", errors="replace") as file:
        if "|" not in file.readline():
            return None
    return Guess("recordings with transcripts in LJ Speech's layout", ("dataset=ljspeech", override("root", root)))


def _recordings_table(root: Path) -> Guess | None:
    """A table in meta/ beside the recordings in audio/, as ESC-50 and UrbanSound8K have them."""
    if not any((root / name).is_dir() for name in tables.AUDIO_FOLDERS):
        return None
    found = [path for name in _TABLE_FOLDERS if (root / name).is_dir() for path in sorted((root / name).iterdir())]
    found = [path for path in found if path.suffix.lower() in tables.SUFFIXES]
    if len(found) != 1:
        return None
    rows = read_rows(found[0])
    columns = columns_of(rows[0], rows[1:]) if rows else []
    if not any(column.names_files(AUDIO_SUFFIXES) for column in columns):
        return None
    guesses = tables.guesses(found[0])
    return guesses[0] if len(guesses) == 1 else None
