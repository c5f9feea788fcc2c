"""Texts under inspection: MinHash with locality-sensitive hashing, confirmed by the exact Jaccard similarity.

A. Broder, "On the Resemblance and Containment of Documents", 1997; bands as in Leskovec, Rajaraman and Ullman, "Mining
of Massive Datasets", chapter 3. A text is the set of its runs of five bytes, without capitals, punctuation and
repeated white space. All is computed over whole chunks of texts at once.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from sensorium.inspection.contents import NO_PAIRS

_RUN = 5  # bytes
_BANDS, _ROWS = 16, 4  # two texts of a similarity s share a band with probability 1 - (1 - s^4)^16
_SIMILAR = 0.8
_CHUNK = 2048
_MOST_CANDIDATES = 2_000_000  # a band is confirmed in parts of so many
_MARKS = re.compile(r"[^\w\s]|_")
_MIX, _PRIME = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x100000001B3)


class TextInputs:
    """texts: N, as they were written."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def constant(self) -> np.ndarray:
        """Texts that are one character, repeated."""
        found = [row for row in range(len(self._texts)) if len(set(self._texts[row].replace(" ", ""))) < 2]
        return np.array(found, dtype=np.int64)

    def near_duplicates(self) -> np.ndarray:
        """Pairs with a Jaccard similarity of at least 0.8. Of many alike each is paired with the first of them."""
        keys = self._band_keys()
        found = NO_PAIRS
        for band in range(_BANDS):
            new = _sharing(keys[band])
            new = new[~np.isin(_code(new), _code(found))]
            for start in range(0, len(new), _MOST_CANDIDATES):
                part = new[start : start + _MOST_CANDIDATES]
                found = np.concatenate([found, part[self._are_similar(part)]])
        return found[np.argsort(_code(found), kind="stable")]

    def features(self, rows: np.ndarray) -> Any:
        """TF-IDF of words, pairs of words, and runs of two to five characters inside words; sparse."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        chosen = [self._texts[row] for row in rows.tolist()]
        few = 1 if len(chosen) < 1000 else 2
        words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=few, token_pattern=r"(?u)\b\w+\b|[^\w\s]")
        letters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), min_df=few)
        return scipy.sparse.csr_matrix(make_union(words, letters).fit_transform(chosen), dtype=np.float32)

    def _band_keys(self) -> np.ndarray:
        """(bands, N) uint64: two texts share a key where their minima agree in all rows of the band; 0 for none."""
        factors = np.random.default_rng(0).integers(1, 1 << 63, _BANDS * _ROWS, dtype=np.uint64) * np.uint64(
            2
        ) + np.uint64(1)
        keys = np.zeros((_BANDS, len(self._texts)), dtype=np.uint64)
        for start in range(0, len(self._texts), _CHUNK):
            chosen = range(start, min(start + _CHUNK, len(self._texts)))
            hashes, starts = _hashes([plain(self._texts[row]) for row in chosen])
            for band in range(_BANDS):
                key = np.zeros(len(chosen), dtype=np.uint64)
                for factor in factors[band * _ROWS : (band + 1) * _ROWS]:
                    mixed = hashes * factor
                    mixed ^= mixed >> np.uint64(29)
                    key = (key ^ np.minimum.reduceat(mixed, starts)) * _PRIME
                keys[band, start : start + len(chosen)] = key
        return keys

    def _are_similar(self, pairs: np.ndarray) -> np.ndarray:
        """(P,) bool, by the exact similarity of their sets."""
        sets: dict[int, np.ndarray] = {}
        close = np.zeros(len(pairs), dtype=bool)
        order = np.argsort(pairs[:, 0], kind="stable")
        for place in order.tolist():
            first, second = pairs[place].tolist()
            if len(sets) > 100_000:
                sets.clear()
            for row in (first, second):
                if row not in sets:
                    sets[row] = np.unique(_hashes([plain(self._texts[row])])[0])
            close[place] = jaccard(sets[first], sets[second]) >= _SIMILAR
        return close


def plain(text: str) -> bytes:
    """UTF-8 without capitals, punctuation and repeated white space; the text itself where nothing else is in it."""
    bare = " ".join(_MARKS.sub("", text.casefold()).split())
    return (bare or text.strip()).encode(errors="surrogatepass")


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """The share that two sorted sets have in common of what either has."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / max(1, len(first) + len(second) - shared)


def _hashes(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes uint64 of all runs of five bytes, one text after the other, and where each text begins.

    A text shorter than that is one run, filled with zeros.
    """
    padded = [text if len(text) >= _RUN else text.ljust(_RUN, b"\0") for text in texts]
    data = np.frombuffer(b"".join(padded), dtype=np.uint8).astype(np.uint64)
    sizes = np.array([len(text) for text in padded], dtype=np.int64)
    runs = np.zeros(len(data) - _RUN + 1, dtype=np.uint64)
    for offset in range(_RUN):
        runs |= data[offset : offset + len(runs)] << np.uint64(8 * offset)
    runs *= _MIX
    runs ^= runs >> np.uint64(32)
    ends = np.cumsum(sizes)
    inside = np.ones(len(data), dtype=bool)
    for offset in range(1, _RUN):
        inside[ends - offset] = False  # runs that would reach into the next text
    counts = sizes - _RUN + 1
    return runs[inside[: len(runs)]], np.cumsum(counts) - counts


def _sharing(keys: np.ndarray) -> np.ndarray:
    """(P, 2) int64: pairs of rows with the same key: each with the first of its group and with the one before it."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    again = np.flatnonzero(ranked[1:] == ranked[:-1]) + 1
    begins = np.maximum.accumulate(np.where(np.r_[True, ranked[1:] != ranked[:-1]], np.arange(len(ranked)), 0))
    with_first = np.stack([order[begins[again]], order[again]], axis=1)
    with_last = np.stack([order[again - 1], order[again]], axis=1)
    return _distinct(np.concatenate([with_first, with_last]))


def _distinct(pairs: np.ndarray) -> np.ndarray:
    _, places = np.unique(_code(pairs), return_index=True)
    return pairs[places]


def _code(pairs: np.ndarray) -> np.ndarray:
    """(P,) int64: a number for each pair of rows."""
    coded: np.ndarray = (pairs[:, 0] << 32) | pairs[:, 1]
    return coded


def paragraphs(pieces: Iterator[str], *, smallest: int = 50) -> Iterator[str]:
    """Running text as paragraphs of at least so many characters; shorter ones are left out."""
    for piece in pieces:
        yield from (one for one in re.split(r"\n\s*\n", piece) if len(one) >= smallest)
