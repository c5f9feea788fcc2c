"""Published data sets of labelled texts by name, through the optional package `datasets`, which fetches them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sensorium.data.base import Data, OnBad
from sensorium.data.cache import cache_folder
from sensorium.data.settings import HoldOutVal
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_settings import TextSettings
from sensorium.errors import RequestError, missing_extra, unknown


class _Published(NamedTuple):
    address: str  # on huggingface.co/datasets
    text: str  # the column
    class_names: tuple[str, ...]  # in the order of the published numbers
    splits: dict[str, str]  # split -> published name; what is missing is held out of train


_TWO = ("negative", "positive")
_KNOWN = {
    # A. Maas et al. 2011: 25,000 long reviews each for training and test.
    "imdb": _Published("stanfordnlp/imdb", "text", _TWO, {"train": "train", "test": "test"}),
    # R. Socher et al. 2013, as in GLUE, whose test labels are not published: its validation part is the test.
    "sst2": _Published("stanfordnlp/sst2", "sentence", _TWO, {"train": "train", "test": "validation"}),
    # B. Pang and L. Lee 2005, divided by the publisher.
    "rotten_tomatoes": _Published(
        "cornell-movie-review-data/rotten_tomatoes",
        "text",
        _TWO,
        {"train": "train", "val": "validation", "test": "test"},
    ),
}


@dataclass(frozen=True, kw_only=True)
class Hub(TextSettings, HoldOutVal):
    """name: imdb, sst2 or rotten_tomatoes. root: a folder where the package keeps it; null for SENSORIUM_CACHE/hub."""

    task = "classification"

    name: str
    root: str | None

    def check(self) -> None:
        super().check()
        if self.name not in _KNOWN:
            raise unknown("data set of this kind", self.name, _KNOWN)

    def load(self, *, on_bad: OnBad) -> Data:
        try:
            from datasets import load_dataset  # a folder of that name in the working directory has none
        except ImportError as error:
            raise missing_extra("datasets", "hub") from error
        folder = Path(self.root).expanduser() if self.root else cache_folder("hub")
        published = _KNOWN[self.name]
        found = TextListing(self.name)
        for split, name in published.splits.items():
            try:
                rows = load_dataset(published.address, split=name, cache_dir=str(folder))
            except (OSError, RuntimeError, ValueError) as error:
                raise RequestError(
                    f"{published.address} cannot be fetched into {folder}: {_first_line(error)}\n"
                    "Without a network, bring a folder filled elsewhere (dataset.root=FOLDER), or say dataset=text_csv."
                ) from error
            for line, row in enumerate(rows, start=1):
                label = published.class_names[row["label"]] if row["label"] >= 0 else ""
                found.add(row[published.text], label, source=f"{self.name}/{name}", line=line, split=split)
        if published.splits["test"] != "test":
            found.notes.append(f"test: the published {published.splits['test']} split; others have no labels")
        return text_classes(found, self, on_bad=on_bad, class_names=published.class_names)


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
