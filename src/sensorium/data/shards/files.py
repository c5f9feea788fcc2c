"""Byte ranges of shards: of local files where they lie, of remote ones from copies that are fetched when needed."""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from sensorium.data.cache import Cache, Entry, key_of
from sensorium.data.shards.addresses import Shard, reachable
from sensorium.errors import RequestError, RunError

_FETCHED = Cache("shards", content="fetched shards")
_OPEN = 64  # local shards that are kept open
_TRIES = 3  # to fetch a shard
_log = logging.getLogger(__name__)


class _Open:
    """An open file that is closed with its last reader. entry: what keeps a fetched copy from being removed."""

    def __init__(self, path: str, entry: Entry | None = None) -> None:
        self.number, self._entry = os.open(path, os.O_RDONLY), entry

    def __del__(self) -> None:
        os.close(self.number)


class ShardFiles:
    """The shards of a dataset. Several threads and processes may read at once.

    Remote ones are fetched whole, the first time that something of them is read, into SENSORIUM_CACHE/shards, which
    holds at most `limit` bytes; those that were read last stay.
    """

    def __init__(self, shards: Sequence[Shard], *, limit: int) -> None:
        self.shards, self._limit = shards, limit
        self._opened: OrderedDict[int, _Open] = OrderedDict()
        self._lock = threading.Lock()
        remote = [shard for shard in shards if shard.files is not None]
        self.remote = bool(remote)
        largest = max(remote, key=lambda shard: shard.size, default=None)
        if largest is not None and 2 * largest.size > limit:
            raise RequestError(
                f"dataset.shard_bytes={limit} has no room for two shards of {largest.size:,} bytes, as"
                f" {largest.address} is. Give {2 * largest.size} or more."
            )
        # Half of the room may be in use here; what another process uses, or the next shard, has the other half.
        self._most = max(2, limit // 2 // max(1, largest.size)) if largest is not None else _OPEN

    def read(self, shard: int, offset: int, size: int) -> bytes:
        """So many bytes of a shard. Raises RunError where they cannot be read."""
        found = self._file(shard)
        try:
            data = os.pread(found.number, size, offset)
        except OSError as error:
            raise RunError(f"{self.shards[shard].address} cannot be read: {error.strerror or error}.") from error
        if len(data) < size:
            raise RunError(f"{self.shards[shard].address} became shorter while it was read.")
        return data

    def opened(self, shard: int) -> BinaryIO:
        """The whole of a shard, as a file of its own."""
        return open(os.dup(self._file(shard).number), "rb")  # noqa: PTH123 (a descriptor)

    def _file(self, shard: int) -> _Open:
        with self._lock:
            if found := self._opened.get(shard):
                self._opened.move_to_end(shard)
                return found
            while len(self._opened) >= self._most:
                self._opened.popitem(last=False)
        opened = self._open(self.shards[shard])  # a fetch may take long; others read meanwhile
        with self._lock:
            return self._opened.setdefault(shard, opened)

    def _open(self, shard: Shard) -> _Open:
        if shard.files is None:
            try:
                return _Open(shard.address)
            except OSError as error:
                raise RunError(f"{shard.address} cannot be opened: {error.strerror or error}.") from error
        entry = _FETCHED.entry(key_of("shard", [shard.source]), lambda file, _: _fetch(shard, file), limit=self._limit)
        return _Open(str(entry.folder / "rows"), entry)


def _fetch(shard: Shard, file: BinaryIO) -> dict[str, np.ndarray]:
    """Copies a remote shard. Raises RunError when it does not arrive whole."""
    _log.info("fetching %s (%s bytes)", shard.address, f"{shard.size:,}")
    for tried in range(1, _TRIES + 1):
        try:
            with reachable(shard.address, RunError):
                _copy(shard.files, shard.address, file)
            if (there := os.fstat(file.fileno()).st_size) != shard.size:
                raise RunError(f"{shard.address} arrived with {there:,} of {shard.size:,} bytes.")
            return {}
        except RunError as error:
            if tried == _TRIES:
                raise
            _log.warning("%s Trying again.", error)
            time.sleep(tried)
    return {}


def _copy(files: Any, address: str, file: BinaryIO) -> None:
    try:
        files.get_file(files._strip_protocol(address), file.name)  # one request for all of it
    except FileNotFoundError:
        raise RunError(f"{address} is no longer there.") from None
