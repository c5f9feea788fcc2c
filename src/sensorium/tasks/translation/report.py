"""The files an evaluation of translations leaves."""

from collections.abc import Sequence
from pathlib import Path

from sensorium.files import write_atomically, write_csv


def write_translations(
    folder: Path, *, sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]
) -> list[Path]:
    """Writes hypotheses.txt, a line for each example, and translations.csv with all three side by side."""
    lines = (" ".join(text.split()) for text in hypotheses)
    write_atomically(folder / "hypotheses.txt", "".join(f"{line}\n" for line in lines))
    rows = zip(range(len(hypotheses)), sources, hypotheses, references, strict=True)
    write_csv(folder / "translations.csv", [("index", "source", "translation", "reference"), *rows])
    return [folder / "hypotheses.txt", folder / "translations.csv"]
