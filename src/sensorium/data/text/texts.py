"""Texts before tokenization: UTF-8 in one flat array, which is in memory, or in a file when it is large."""

import hashlib
from array import array
from collections.abc import Iterator

import numpy as np

from sensorium.data.cache import Cache
from sensorium.data.spill import Spill
from sensorium.data.strings import Strings
from sensorium.text.tokenizer import clean

TEXTS = Cache("text", content="texts")
_CHUNK_TEXTS, _CHUNK_BYTES = 1024, 1 << 22


class Texts(Strings):
    """N texts. data: uint8, their UTF-8. starts, sizes: (N,) int64, where each lies in it."""

    def __init__(self, data: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> None:
        self.data, self.starts, self.sizes = data, starts, sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def at(self, row: int) -> str:
        return self.raw(row).decode()

    def raw(self, row: int) -> bytes:
        """The UTF-8 of a text."""
        start = self.starts[row]
        return self.data[start : start + self.sizes[row]].tobytes()

    def subset(self, rows: np.ndarray) -> "Texts":
        """These texts alone, over the same array."""
        return Texts(self.data, self.starts[rows], self.sizes[rows])

    def chunks(self) -> Iterator[list[str]]:
        """All texts, so many at a time as can be held."""
        chunk: list[str] = []
        held = 0
        for row in range(len(self)):
            chunk.append(self[row])
            held += int(self.sizes[row])
            if len(chunk) == _CHUNK_TEXTS or held > _CHUNK_BYTES:
                yield chunk
                chunk, held = [], 0
        if chunk:
            yield chunk

    def digests(self) -> np.ndarray:
        """(N, 16) uint8: a hash of each text without the white space around it."""
        found = bytearray()
        for row in range(len(self)):
            found += hashlib.blake2b(self.raw(row).strip(), digest_size=16).digest()
        return np.frombuffer(bytes(found), np.uint8).reshape(-1, 16)

    def digest(self) -> str:
        """A hash of all texts and of where each ends."""
        hashed = hashlib.sha256(self.sizes.tobytes())
        for row in range(len(self)):
            hashed.update(self.raw(row))
        return hashed.hexdigest()

    def num_characters(self, row: int) -> int:
        """Unicode characters of a text."""
        start = self.starts[row]
        data = self.data[start : start + self.sizes[row]]
        return int(np.count_nonzero((data & 0xC0) != 0x80))  # all bytes but those that continue a character


class TextWriter:
    """Takes texts one by one; many of them go to a nameless file in SENSORIUM_CACHE/text.

    Halves of a character, which JSON and file names can hold, become U+FFFD (see `clean`).
    """

    def __init__(self) -> None:
        self._spill, self._sizes = Spill(TEXTS), array("q")

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, text: str) -> None:
        """The next text. Raises RunError when the file cannot be written."""
        encoded = clean(text, lowercase=False).encode()
        self._sizes.append(len(encoded))
        self._spill.add(encoded)

    def finish(self) -> Texts:
        """All texts; nothing can be added after."""
        sizes = np.array(self._sizes, dtype=np.int64)
        return Texts(self._spill.finish(), np.cumsum(sizes) - sizes, sizes)
