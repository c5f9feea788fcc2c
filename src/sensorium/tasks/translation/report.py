"""The files an evaluation of translations leaves."""

import re
from collections.abc import Sequence
from pathlib import Path

from sensorium.files import write_atomically, write_csv


def write_translations(
    folder: Path, *, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> list[Path]:
    """Writes hypotheses.txt, a line for each example, and translations.csv with all three side by side."""
    write_atomically(folder / "hypotheses.txt", "".join(f"{one_line(text)}\n" for text in hypotheses))
    rows = zip(range(len(hypotheses)), sources, hypotheses, references, strict=True)
    write_csv(folder / "translations.csv", [("index", "source", "translation", "reference"), *rows])
    return [folder / "hypotheses.txt", folder / "translations.csv"]


def one_line(text: str) -> str:
    """A text as the model wrote it, with spaces for the line ends that would make two lines of it."""
    return re.sub(r"[\r\n]+", " ", text)
