"""Multi30k: captions of images in English, translated into German and other languages, one sentence a line.

D. Elliott et al., "Multi30K: Multilingual English-German Image Descriptions", 2016, arXiv 1605.00459.
"""

from dataclasses import dataclass
from pathlib import Path

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.text.pairs import PairListing, translated
from sensorium.data.text.parallel_text import add_files
from sensorium.data.text.text_settings import PairSettings
from sensorium.errors import RequestError, unknown


@dataclass(frozen=True, kw_only=True)
class Multi30k(PairSettings):
    """root: the folder with train.en.gz, val.en.gz, test_2016_flickr.en.gz and the same of other languages (the task 1
    "raw" files of github.com/multi30k/dataset, packed or not). test: which of the test sets.
    """

    task = "translation"

    root: str | None
    source: str
    target: str
    test: str

    def check(self) -> None:
        super().check()
        if self.source == self.target:
            raise RequestError(f"dataset.source and dataset.target are both {self.source}: give two languages.")

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="folder")
        tests = _test_sets(root)
        if tests and self.test not in tests:
            raise unknown("test set here", self.test, tests)
        found = PairListing(root)
        for split, name in (("train", "train"), ("val", "val"), ("test", self.test)):
            add_files(found, root / name, (self.source, self.target), split=split, key="root")
        return translated(found, self, on_bad=on_bad)


def _test_sets(root: Path) -> set[str]:
    return {path.name.split(".")[0] for path in root.glob("test_*")}
