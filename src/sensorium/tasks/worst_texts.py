"""The texts of worst.csv, without repeats."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

ROWS = 25
_LONGEST = 2000  # characters of a text that are shown


def distinct(ranked: np.ndarray, texts: Sequence[str]) -> list[tuple[int, int]]:
    """The first row of each different text, at most 25 of them, with how many of the ranked rows have that text.

    ranked: (B,) rows of `texts`, the worst first.
    """
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for row in ranked.tolist():
        counts[texts[row]] += 1
        first.setdefault(texts[row], row)
    return [(row, counts[text]) for text, row in first.items()][:ROWS]


def beginning(text: str) -> str:
    """A text, cut where it is very long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text):,} characters)"
