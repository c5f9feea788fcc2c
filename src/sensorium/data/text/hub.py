"""Published data sets of labeled texts by name: from their files, or through the optional package `datasets`, which
fetches them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sensorium.data.base import Data, OnBad
from sensorium.data.cache import cache_folder
from sensorium.data.settings import HoldOutVal
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.published_files import CLASSES, Published, add_files, add_imdb, add_polarity
from sensorium.data.text.text_settings import TextSettings
from sensorium.errors import RequestError, unknown
from sensorium.files import user_path

_KNOWN = {
    # A. Maas et al. 2011: 25,000 long reviews each for training and test.
    "imdb": Published(
        address="stanfordnlp/imdb",
        splits={"train": "train", "test": "test"},
        text="text",
        files="the folder aclImdb of aclImdb_v1.tar.gz",
        folders=("aclImdb", "plain_text"),
        own=add_imdb,
    ),
    # R. Socher et al. 2013, as in GLUE, whose test labels are not published: its validation split is the test.
    "sst2": Published(
        address="stanfordnlp/sst2",
        splits={"train": "train", "test": "validation"},
        text="sentence",
        files="GLUE's folder SST-2 with train.tsv and dev.tsv",
        folders=("SST-2", "data"),
        own=None,
    ),
    # B. Pang and L. Lee 2005, divided by the publisher.
    "rotten_tomatoes": Published(
        address="cornell-movie-review-data/rotten_tomatoes",
        splits={"train": "train", "val": "validation", "test": "test"},
        text="text",
        files="the folder of rt-polarity.pos and rt-polarity.neg",
        folders=("rt-polaritydata", "data"),
        own=add_polarity,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Hub(TextSettings, HoldOutVal):
    """name: imdb, sst2 or rotten_tomatoes. root: a folder with its files as published (aclImdb, GLUE's SST-2,
    rt-polarity.*, or the Hub's tables), else one where the package keeps it; None for SENSORIUM_CACHE/hub.
    """

    task = "classification"
    published: ClassVar[bool] = True

    name: str
    root: str | None

    def check(self) -> None:
        super().check()
        if self.name not in _KNOWN:
            raise unknown("data set of this kind", self.name, _KNOWN)

    def load(self, *, on_bad: OnBad) -> Data:
        folder = user_path(self.root) if self.root else cache_folder("hub")
        known = _KNOWN[self.name]
        found = TextListing(folder if self.root else self.name)
        if not add_files(found, folder, known):
            _fetch(found, self.name, folder)
        if (test := known.splits["test"]) != "test":
            found.notes.append(f"test: the published {test} split; the labels of the test split are not published")
        return text_classes(found, self, on_bad=on_bad, class_names=CLASSES)


def _fetch(found: TextListing, name: str, folder: Path) -> None:
    """Adds what the package `datasets` fetches, or has in the folder."""
    known = _KNOWN[name]
    try:
        from datasets import load_dataset  # a folder of that name in the working directory has none
    except ImportError as error:
        raise RequestError(
            f"{folder} has no files of {name}; dataset.root=FOLDER names {known.files}.\n"
            "To fetch them, the package 'datasets' is needed: pip install 'sensorium[hub]'"
        ) from error
    for split, published in known.splits.items():
        try:
            rows = load_dataset(known.address, split=published, cache_dir=str(folder))
        except (OSError, RuntimeError, ValueError) as error:
            raise RequestError(
                f"{known.address} cannot be fetched into {folder}: {_first_line(error)}\n"
                f"Without a network, dataset.root=FOLDER names {known.files}, or a folder filled elsewhere."
            ) from error
        for line, row in enumerate(rows, start=1):
            label = CLASSES[row["label"]] if row["label"] >= 0 else ""
            found.add(row[known.text], label, source=f"{name}/{published}", line=line, split=split)


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
