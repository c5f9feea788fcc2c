"""Texts on their way to tokens: UTF-8 in one flat array, which is in memory, or in a file when it is large."""

import hashlib
import mmap
import tempfile
from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from typing import IO, overload

import numpy as np

from sensorium.data.download import cache_folder
from sensorium.errors import RunError
from sensorium.text.tokenizer import clean

IN_MEMORY = 1 << 26  # bytes of text, or of their tokens, that are kept in memory
_CHUNK_TEXTS, _CHUNK_BYTES = 1024, 1 << 22


class Strings(Sequence[str]):
    """Strings that are made when asked for, by `at`."""

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        return Picked(self, np.arange(len(self))[row]) if isinstance(row, slice) else self.at(row)

    @abstractmethod
    def at(self, row: int) -> str:
        """One of them."""


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

    def take(self, rows: np.ndarray) -> "Texts":
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
    """Takes texts one by one; from IN_MEMORY bytes on they go to a nameless file in SENSORIUM_CACHE/text.

    Halves of a character, which JSON and file names can hold, become U+FFFD (see `clean`).
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._sizes = array("q")
        self._file: IO[bytes] | None = None

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, text: str) -> None:
        """The next text. Raises RunError when the file cannot be written."""
        encoded = clean(text, lowercase=False).encode()
        self._held += encoded
        self._sizes.append(len(encoded))
        if len(self._held) >= IN_MEMORY:
            self._spill()

    def finish(self) -> Texts:
        """All texts; nothing can be added after."""
        sizes = np.array(self._sizes, dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        if self._file is None:
            return Texts(np.frombuffer(bytes(self._held), np.uint8), starts, sizes)
        self._spill()
        # The mapping keeps the nameless file, which is gone when nobody reads it any more.
        mapping = mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        self._file.close()
        return Texts(np.frombuffer(mapping, np.uint8), starts, sizes)

    def _spill(self) -> None:
        home = cache_folder("text")
        try:
            if self._file is None:
                home.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=home)  # noqa: SIM115 (`finish` closes it)
            self._file.write(self._held)
            self._file.flush()
        except OSError as error:
            raise no_room(error) from error
        self._held.clear()


def no_room(error: OSError) -> RunError:
    """The error for a cache that cannot be written."""
    return RunError(
        f"Cannot keep texts in {cache_folder('text')}: {error.strerror or error}.\n"
        "Set SENSORIUM_CACHE to a folder with room."
    )


class Picked(Strings):
    """Some rows of other strings, looked up when asked for. rows: (N,) int64."""

    def __init__(self, values: Sequence[str], rows: np.ndarray) -> None:
        self._values, self._rows = values, rows

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, row: int) -> str:
        return self._values[int(self._rows[row])]


class Places(Strings):
    """Where each text is from, "file:line"; the file alone, or its name in quotes, for line 0.

    sources: files or names. source_of: (N,) which of them. lines: (N,) from 1; 0 for the whole file.
    """

    def __init__(self, sources: Sequence[str], source_of: np.ndarray, lines: np.ndarray) -> None:
        self._sources, self._source_of, self._lines = sources, source_of, lines

    def __len__(self) -> int:
        return len(self._lines)

    def at(self, row: int) -> str:
        source, line = self._sources[self._source_of[row]], self._lines[row]
        return f"{source}:{line}" if line else source
