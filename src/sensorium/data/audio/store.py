"""Recordings by row number: samples or features, in one flat array or read from their files each time."""

import mmap
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Protocol

import numpy as np

from sensorium.data.download import cache_folder
from sensorium.errors import RunError

IN_MEMORY = 1 << 26  # bytes of audio that are kept in memory; from there on in a file
_STEPS = 32768  # of a 16-bit sample, on either side of 0
_ALIGNED = 4  # bytes; where a recording may begin


class Source(Protocol):
    """N recordings."""

    @property
    def lengths(self) -> np.ndarray:
        """(N,) int64 samples, or frames."""

    @property
    def width(self) -> int:
        """F, numbers of a frame; 0 for samples."""

    def read(self, row: int) -> np.ndarray:
        """(N,) float32 samples from -1 to 1, or (T, F) float32 features. Several threads may read at once."""


@dataclass(frozen=True)
class Flat:
    """Recordings in one flat array.

    data: uint8. starts: (N,) int64, where in it each begins. wide: (N,) bool, float32 numbers; else 16-bit samples.
    """

    data: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    wide: np.ndarray
    width: int = 0

    def read(self, row: int) -> np.ndarray:
        start, wide = int(self.starts[row]), bool(self.wide[row])
        numbers = int(self.lengths[row]) * max(1, self.width)
        raw = self.data[start : start + numbers * (4 if wide else 2)]
        if wide:
            floats = raw.view(np.float32)
            return floats.reshape(-1, self.width) if self.width else floats
        return raw.view(np.int16) * np.float32(1 / _STEPS)


class Joined:
    """The recordings of several stores, one store after the other."""

    def __init__(self, stores: Sequence["AudioStore"]) -> None:
        self._stores = stores
        self._starts = np.cumsum([0, *(len(store) for store in stores)])
        self.lengths = np.concatenate([store.lengths for store in stores])
        self.width = stores[0].source.width

    def read(self, row: int) -> np.ndarray:
        owner = int(np.searchsorted(self._starts, row, side="right")) - 1
        store = self._stores[owner]
        return store.source.read(int(store.rows[row - self._starts[owner]]))


@dataclass(frozen=True)
class AudioStore:
    """Some rows of a source, in the order given. rows: (N,) int64."""

    source: Source
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(N,) int64 samples or frames of each recording."""
        return self.source.lengths[self.rows]

    def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows (B,) -> float32 samples (B, N) or features (B, T, F), padded with zeros, and lengths (B,) int64."""
        return padded([self.source.read(row) for row in self.rows[rows].tolist()], width=self.source.width)

    def subset(self, rows: np.ndarray) -> "AudioStore":
        """These recordings alone."""
        return AudioStore(self.source, self.rows[rows])

    def joined(self, others: Sequence["AudioStore"]) -> "AudioStore":
        """This one's recordings, then those of the others."""
        stores = (self, *others)
        if all(store.source is self.source for store in others):
            return AudioStore(self.source, np.concatenate([store.rows for store in stores]))
        return AudioStore(Joined(stores), np.arange(sum(len(store) for store in stores)))


def padded(arrays: Sequence[np.ndarray], *, width: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Samples (N,) or features (T, F) as one array with zeros behind the end, and their lengths."""
    lengths = np.array([len(values) for values in arrays], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    filled = np.zeros((len(arrays), longest, width) if width else (len(arrays), longest), dtype=np.float32)
    for i, values in enumerate(arrays):
        filled[i, : len(values)] = values
    return filled, lengths


def packed(samples: np.ndarray) -> np.ndarray:
    """Samples as they are kept: 16-bit whole numbers where these say all there is to say, else float32.

    So a file of 16 bits takes half the room, and what was resampled, mixed down, or had more bits loses nothing.
    """
    steps = samples * np.float32(_STEPS)
    with np.errstate(invalid="ignore"):
        whole = steps.astype(np.int16)
    return whole if np.array_equal(whole, steps) else samples.astype(np.float32, copy=False)


class FlatWriter:
    """Puts recordings one behind the other.

    file: where to; None keeps them in memory, from IN_MEMORY bytes on in a nameless file of SENSORIUM_CACHE/sounds.
    width: F for features, 0 for samples.
    """

    def __init__(self, file: IO[bytes] | None = None, *, width: int = 0) -> None:
        self._file, self._own, self._width = file, file is None, width
        self._held = bytearray()
        self._written = 0
        self._starts, self._lengths, self._wide = array("q"), array("q"), array("b")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, values: np.ndarray) -> None:
        """The next recording: `packed` samples, or features (T, F) float32."""
        self._starts.append(self._written + len(self._held))
        self._lengths.append(len(values))
        self._wide.append(values.dtype == np.float32)
        self._held += values.tobytes()
        self._held += bytes(-len(self._held) % _ALIGNED)
        if len(self._held) >= IN_MEMORY:
            self.flush()

    def flush(self) -> None:
        """Hands what is held to the file."""
        try:
            if self._file is None:
                home = cache_folder("sounds")
                home.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=home)  # noqa: SIM115 (`finish` closes it)
            self._file.write(self._held)
            self._file.flush()
        except OSError as error:
            raise no_room(error) from error
        self._written += len(self._held)
        self._held.clear()

    def where(self) -> dict[str, np.ndarray]:
        """starts, lengths, wide, as `Flat` has them."""
        return {
            "starts": np.array(self._starts, dtype=np.int64),
            "lengths": np.array(self._lengths, dtype=np.int64),
            "wide": np.array(self._wide, dtype=bool),
        }

    def finish(self) -> Flat:
        """All recordings of a writer without a file of its caller's; nothing can be added after."""
        if self._file is None:
            return Flat(np.frombuffer(bytes(self._held), np.uint8), **self.where(), width=self._width)
        self.flush()
        # The mapping keeps the nameless file, which is gone when nobody reads it any more.
        mapping = mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        self._file.close()
        return Flat(np.frombuffer(mapping, np.uint8), **self.where(), width=self._width)


def no_room(error: OSError) -> RunError:
    """The error for a cache that cannot be written."""
    return RunError(
        f"Cannot keep audio in {cache_folder('sounds')}: {error.strerror or error}.\n"
        "Set SENSORIUM_CACHE to a folder with room, or dataset.cache=none to read the files at each batch."
    )
