"""A byte buffer that spills from memory to an unnamed temporary file."""

import mmap
import tempfile
from typing import IO

import numpy as np

from sensorium.data.cache import Cache

IN_MEMORY = 1 << 26  # bytes that are kept in memory; from there on in a file


class Spill:
    """For this process alone: from IN_MEMORY bytes on in a nameless file in the folder of a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache, self._held = cache, bytearray()
        self._file: IO[bytes] | None = None

    def add(self, data: bytes) -> None:
        """The next ones. Raises RunError when the file cannot be written."""
        self._held += data
        if len(self._held) >= IN_MEMORY:
            self._flush()

    def finish(self) -> np.ndarray:
        """All of them, uint8 and read-only; nothing can be added after."""
        if self._file is None:
            return np.frombuffer(bytes(self._held), np.uint8)
        self._flush()
        # The mapping keeps the nameless file, which is gone when its last reader is.
        mapping = mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        self._file.close()
        return np.frombuffer(mapping, np.uint8)

    def _flush(self) -> None:
        try:
            if self._file is None:
                self._cache.home.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._cache.home)  # noqa: SIM115 (`finish` closes it)
            self._file.write(self._held)
            self._file.flush()
        except OSError as error:
            raise self._cache.failure(error) from error
        self._held.clear()
