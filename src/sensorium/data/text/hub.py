"""Published data sets of labelled texts by name, through the optional package `datasets`, which fetches them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sensorium.data.base import Data, OnBad
from sensorium.data.download import cache_folder
from sensorium.data.text.labelled import LabelledSettings, LabelledTexts
from sensorium.errors import RequestError, missing_extra, unknown


class _Published(NamedTuple):
    address: str  # on huggingface.co/datasets
    text: str  # the column
    class_names: tuple[str, ...]  # in the order of the published numbers
    parts: dict[str, str]  # part -> published name; what is missing is held out of train


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


class Hub:
    """name: imdb, sst2 or rotten_tomatoes. root: a folder where the package keeps it; null for SENSORIUM_CACHE/hub."""

    task = "classification"

    def __init__(
        self,
        *,
        name: str,
        root: str | None,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        val_fraction: float,
        split_seed: int,
    ) -> None:
        if name not in _KNOWN:
            raise unknown("data set of this kind", name, _KNOWN)
        self._name = name
        self._folder = Path(root).expanduser() if root else cache_folder("hub")
        self._settings = LabelledSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            val_fraction=val_fraction,
            split_seed=split_seed,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        try:
            from datasets import load_dataset  # a folder of that name in the working directory has none
        except ImportError as error:
            raise missing_extra("datasets", "hub") from error
        published = _KNOWN[self._name]
        found = LabelledTexts(self._name)
        for part, name in published.parts.items():
            try:
                rows = load_dataset(published.address, split=name, cache_dir=str(self._folder))
            except (OSError, RuntimeError, ValueError) as error:
                raise RequestError(
                    f"{published.address} cannot be fetched into {self._folder}: {_first_line(error)}\n"
                    "Without a network, bring a folder filled elsewhere (dataset.root=FOLDER), or say dataset=text_csv."
                ) from error
            for line, row in enumerate(rows, start=1):
                label = published.class_names[row["label"]] if row["label"] >= 0 else ""
                found.add(row[published.text], label, source=f"{self._name}/{name}", line=line, part=part)
        if published.parts["test"] != "test":
            found.notes.append(f"test: the published {published.parts['test']} part; others have no labels")
        return self._settings.make(found, on_bad, class_names=published.class_names)


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
