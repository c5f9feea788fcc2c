"""A folder of text files with one folder for each class, such as the reviews of aclImdb.

A. Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011.
"""

from dataclasses import dataclass

from sensorium.data.base import Data, OnBad, Problem
from sensorium.data.folders import class_files
from sensorium.data.io.paths import existing
from sensorium.data.io.text_files import read_pieces
from sensorium.data.settings import ConflictSettings, HoldOut
from sensorium.data.text.labeled import TextListing, text_classes
from sensorium.data.text.text_settings import TextSettings

_UNLABELED = "unsup"  # aclImdb's reviews without a label


@dataclass(frozen=True, kw_only=True)
class TextFolder(TextSettings, HoldOut, ConflictSettings):
    """`root/train/CLASS/*.txt`, with `val` (or `valid`, `validation`, `dev`) and `test` beside train where there are
    any; or `root/CLASS/*.txt`. Splits that are not there are held out of train. A folder called unsup is no class.
    """

    task = "classification"

    root: str | None
    encoding: str | None

    def load(self, *, on_bad: OnBad) -> Data:
        root = existing("root", self.root, what="folder")
        found = TextListing(root)
        expected = f"Expected: {root}/CLASS/NAME.txt or {root}/train/CLASS/NAME.txt. For a table use dataset=text_csv."
        # aclImdb has lists of addresses beside its class folders.
        files = class_files(
            found, root, suffixes=(".txt",), expected=expected, unlabeled=(_UNLABELED,), loose_are_bad=False
        )
        for path, label, split in files:
            pieces = list(read_pieces(path, encoding=self.encoding))
            problems = [piece for piece in pieces if isinstance(piece, Problem)]
            if problems:
                found.problems += problems
            else:
                found.add("".join(map(str, pieces)), label, source=str(path), split=split)
        found.need(expected)
        return text_classes(found, self, on_bad=on_bad)
