"""Measures the search for near-duplicates on generated texts: seconds, peak memory, and what is found.

    python scripts/bench_check.py 1000000

A tenth of the texts are copies of others with another punctuation and capitals.
"""

import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from sensorium.data.text.texts import Texts, TextWriter
from sensorium.inspection.texts import TextInputs

SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "el", "or")]
COPIES = 0.1


def generated(count: int) -> Iterator[str]:
    """Sentences of 6 to 20 words over a vocabulary of 20,000."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(SYLLABLES, draw.integers(1, 4))) for _ in range(20_000)]
    for _ in range(count):
        # Frequent words are frequent, as in a language.
        ranks = np.minimum((draw.pareto(0.7, draw.integers(6, 21)) * 20).astype(np.int64), len(words) - 1)
        yield " ".join(words[rank] for rank in ranks)


def made(count: int) -> tuple[Texts, int]:
    """The texts, and how many of them are originals."""
    writer, originals = TextWriter(), round(count * (1 - COPIES))
    copies: list[str] = []
    for number, text in enumerate(generated(originals)):
        writer.add(text)
        if number < count - originals:
            copies.append(text.capitalize().replace(" ", ", ", 2) + ".")
    for text in copies:
        writer.add(text)
    return writer.finish(), originals


def main() -> None:
    """Prints one line for each quantity."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    texts, originals = made(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    pairs = TextInputs(texts).near_duplicates()
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    copies = count - originals
    found = set(map(tuple, pairs.tolist()))
    hit = sum((row, originals + row) in found for row in range(copies))
    print(f"{count:,} texts of {texts.sizes.mean():.0f} bytes: {seconds:.0f} s")
    print(f"peak memory {after / 1e6:.2f} GB, {before / 1e6:.2f} GB before")
    print(f"copies found: {hit:,} of {copies:,}; other pairs: {len(found) - hit:,}")


if __name__ == "__main__":
    main()
