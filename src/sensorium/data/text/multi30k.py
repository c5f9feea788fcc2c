"""Multi30k: captions of pictures in English, translated into German and other languages, one sentence a line.

D. Elliott et al., "Multi30K: Multilingual English-German Image Descriptions", 2016, arXiv 1605.00459.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.data.base import Data, OnBad
from sensorium.data.io.paths import existing
from sensorium.data.text.pairs import PairSettings, SentencePairs
from sensorium.data.text.parallel_text import add_files
from sensorium.errors import RequestError, unknown


class Multi30k:
    """root: the folder with train.en.gz, val.en.gz, test_2016_flickr.en.gz and the same of other languages (the task 1
    "raw" files of github.com/multi30k/dataset, packed or not). test: which of the test sets.
    """

    task = "translation"

    def __init__(
        self,
        *,
        root: str | None,
        source: str,
        target: str,
        test: str,
        tokenizer: str | Mapping[str, Any],
        vocab_size: int,
        min_count: int,
        lowercase: bool,
        max_length: int,
        shared_vocabulary: bool,
    ) -> None:
        if source == target:
            raise RequestError(f"dataset.source and dataset.target are both {source}: give two languages.")
        self._root, self._languages, self._test = root, (source, target), test
        self._settings = PairSettings(
            tokenizer=tokenizer,
            vocab_size=vocab_size,
            min_count=min_count,
            lowercase=lowercase,
            max_length=max_length,
            shared_vocabulary=shared_vocabulary,
        )

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self._root, what="folder")
        tests = _test_sets(root)
        if tests and self._test not in tests:
            raise unknown("test set here", self._test, tests)
        found = SentencePairs(root)
        for part, name in (("train", "train"), ("val", "val"), ("test", self._test)):
            add_files(found, root / name, self._languages, part=part, key="root")
        return self._settings.make(found, on_bad)


def _test_sets(root: Path) -> set[str]:
    return {path.name.split(".")[0] for path in root.glob("test_*")}
