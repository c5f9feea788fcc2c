"""Published word vectors, from the text files of GloVe and fastText.

J. Pennington, R. Socher and C. Manning, "GloVe: Global Vectors for Word Representation", 2014; P. Bojanowski et al.,
"Enriching Word Vectors with Subword Information", 2017, arXiv 1607.04606. A line holds a word and its D numbers;
fastText's files start with a line "count D".
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from sensorium.errors import RequestError
from sensorium.files import meant, not_a_file
from sensorium.text.tokenizer import SPECIAL_TOKENS

_NUMBER_CHARACTERS = b"0123456789+-.eE \t"


@dataclass(frozen=True)
class Vectors:
    """matrix: (V, D) float32, zeros where nothing was found. found: (V,) bool. special: (V,) bool, never found."""

    matrix: np.ndarray
    found: np.ndarray
    special: np.ndarray

    @property
    def coverage(self) -> float:
        """Share of the tokens, special ones left aside, that have a vector; 0 when there are none."""
        return float(self.found.sum() / max(1, (~self.special).sum()))


def read_vectors(path: str | Path, tokens: Sequence[str]) -> Vectors:
    """The vectors of these tokens; a token that is not in the file takes that of its lower-case form.

    Memory grows with the tokens, not with the file, which is read once, as text or gzip. Of several lines for one
    word the first counts. Letters that are not UTF-8 are replaced.

    Raises RequestError for a missing, packed or empty file, and with file:line for a line that is not a word and D
    finite numbers.
    """
    path = Path(path)
    wanted = _Wanted(tokens)
    size, matrix = 0, None
    with _opened(path) as file:
        for number, line in _lines(file):
            if not size:
                size, is_header = _size(line, place=f"{path}:{number}")
                matrix = np.zeros((len(tokens), size), dtype=np.float32)
                if is_header:
                    continue
            word, values = _parts(line, size=size, place=f"{path}:{number}")
            rows = wanted.take(word.decode(errors="replace"))
            if rows and matrix is not None:
                matrix[rows] = _numbers(values, size=size, place=f"{path}:{number}")
    if matrix is None:
        raise RequestError(f"{path} is empty; word vectors are lines of a word and its numbers.")
    special = np.array([token in SPECIAL_TOKENS for token in tokens], dtype=bool)
    return Vectors(matrix=matrix, found=wanted.found, special=special)


class _Wanted:
    """Which rows still want a word's vector: those of the token itself, and those whose lower-case form it is.

    found: (V,) bool, the rows that have got one.
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        self._same: dict[str, list[int]] = {}
        self._lower: dict[str, list[int]] = {}
        for row, token in enumerate(tokens):
            if token not in SPECIAL_TOKENS:
                self._same.setdefault(token, []).append(row)
                if token.lower() != token:
                    self._lower.setdefault(token.lower(), []).append(row)
        self._exact = np.zeros(len(tokens), dtype=bool)
        self.found = np.zeros(len(tokens), dtype=bool)

    def take(self, word: str) -> list[int]:
        """The rows that get this word's vector; the next line with the same word gets none."""
        same = self._same.pop(word, [])
        self._exact[same] = True
        rows = same + [row for row in self._lower.pop(word, []) if not self._exact[row]]
        self.found[rows] = True
        return rows


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file's text, unpacked if it is gzip, which its first two bytes tell."""
    if path.suffix in (".zip", ".bin"):
        raise RequestError(f"{path} cannot be read as it is: word vectors are a text file, plain or .gz; unpack it.")
    if wrong := not_a_file(path):
        raise RequestError(f"{path} is {wrong}; a file of word vectors is needed.")
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
    except FileNotFoundError:
        raise RequestError(f"There is no file {path}.{meant(path)}") from None
    except (EOFError, zlib.error, OSError) as error:
        raise RequestError(f"{path} cannot be read ({error}); is the file complete?") from error


def _lines(file: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that hold anything. Only a newline ends one: words may hold other kinds of white space."""
    for number, line in enumerate(file, start=1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        line = line.rstrip(b" \t\r\n")
        if line:
            yield number, line


def _size(first: bytes, *, place: str) -> tuple[int, bool]:
    """D, and whether the first line is fastText's "count D"."""
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields) and int(fields[1]) > 0:
        return int(fields[1]), True
    if len(fields) < 2:
        raise RequestError(f"{place}: a word and its numbers expected, found {_shown(first)}.")
    return len(fields) - 1, False


def _parts(line: bytes, *, size: int, place: str) -> tuple[bytes, bytes]:
    """The word, which may hold spaces in GloVe's largest file, and the text of its numbers."""
    if line.count(b" ") == size:
        word, _, values = line.partition(b" ")
    else:
        fields = line.rsplit(None, size)
        # A word that ends in a number is a line with too many of them.
        if len(fields) <= size or (len(fields[0].split()) > 1 and _is_number(fields[0].split()[-1])):
            raise _ragged(line, size=size, place=place)
        word, values = fields[0], b" ".join(fields[1:])
    if values.translate(None, _NUMBER_CHARACTERS):
        bad = next(field for field in values.split() if field.translate(None, _NUMBER_CHARACTERS))
        raise _no_number(bad, size=size, place=place)
    return word, values


def _numbers(values: bytes, *, size: int, place: str) -> np.ndarray:
    """(D,) float32."""
    fields = values.split()
    if len(fields) != size:
        raise _ragged(values, size=size, place=place)
    try:
        vector = np.array([float(field) for field in fields])
    except ValueError:
        bad = next(field for field in fields if not _is_number(field))
        raise _no_number(bad, size=size, place=place) from None
    if not (np.abs(vector) <= np.finfo(np.float32).max).all():
        raise RequestError(f"{place}: a number is too large for 32 bits.")
    return vector.astype(np.float32)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _no_number(field: bytes, *, size: int, place: str) -> RequestError:
    return RequestError(f"{place}: {_shown(field)} is not a number; {size} numbers expected after the word.")


def _ragged(line: bytes, *, size: int, place: str) -> RequestError:
    return RequestError(
        f"{place}: a word and {size} numbers expected, as on the first line, found {len(line.split())} fields: "
        f"{_shown(line)}."
    )


def _shown(field: bytes) -> str:
    text = field.decode(errors="replace")
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
