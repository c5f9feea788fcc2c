"""One cache for preprocessed data that every later run reads: decoded images and recordings, tokens, speech.

A cache is a folder of SENSORIUM_CACHE that several processes share and that never holds more than its limit:

    lock             held while a process looks for an entry, makes room, or puts an entry in place
    KEY.lock         held by the one who opens or builds this entry
    KEY.RANDOM.tmp/  being built; renamed to KEY when complete
    KEY/rows         the rows, one after another; locked (shared) by everyone who reads them, so that they stay
    KEY/facts.npz    arrays that belong to the rows, and the size of `rows`
    KEY/NAME.json    what was worked out from the rows later

Whoever wants both locks takes KEY.lock first. The locks belong to open files (flock; docs/decisions/0025), so a killed
process holds none. Anything else that lies there, such as an entry of an earlier version, counts as an entry that
nobody reads.
"""

import fcntl
import hashlib
import json
import mmap
import os
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sensorium.errors import RunError
from sensorium.files import replacing, user_path, write_json

_SLACK = 1 << 14  # bytes set aside for headers, and for what is worked out later
_RESIDENT_BYTES = 1 << 28  # of a mapping, that may stay in a process before they are handed back
_FAULT_BYTES = 1 << 15  # what the system maps around a row, on average
_DAMAGE = (FileNotFoundError, EOFError, KeyError, ValueError, zipfile.BadZipFile)  # what reading a cut off entry raises

Build = Callable[[BinaryIO, int], Mapping[str, np.ndarray]]


def cache_folder(name: str) -> Path:
    """`name` inside SENSORIUM_CACHE (default ~/.cache/sensorium). The folder need not exist yet."""
    home = os.environ.get("SENSORIUM_CACHE") or Path.home() / ".cache" / "sensorium"
    return user_path(home) / name


def key_of(settings: Any, sources: Iterable[bytes] = ()) -> str:
    """The key of an entry. settings: as JSON can hold them. sources: what says that a source is still the same."""
    hashed = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for source in sources:
        hashed.update(source)
    return hashed.hexdigest()[:32]


def file_sources(paths: Iterable[str | Path]) -> Iterator[bytes]:
    """Place, size and time of change of each file; an error's number for one that cannot be looked at."""
    here = str(Path.cwd())
    for path in paths:
        try:
            found = os.stat(path)  # noqa: PTH116 (half the time of a new Path)
            facts = f"{found.st_size} {found.st_mtime_ns}"
        except OSError as error:  # a broken link; its reader reports it
            facts = str(error.errno)
        yield os.fsencode(f"\n{os.path.join(here, path)}\n{facts}")  # noqa: PTH118


def packed_reasons(reasons: Mapping[int, str]) -> np.ndarray:
    """Row -> what is wrong with it, as a fact of an entry."""
    return np.frombuffer(json.dumps(reasons).encode(), np.uint8)


def reasons(packed: np.ndarray) -> dict[int, str]:
    """What `packed_reasons` was given."""
    return {int(row): what for row, what in json.loads(packed.tobytes()).items()}


@dataclass(frozen=True)
class FixedRows:
    """Rows of one size, of which the first are kept as far as there is room. facts_bytes: of the arrays beside them."""

    count: int
    row_bytes: int
    facts_bytes: int

    @property
    def total(self) -> int:
        """Bytes of an entry of all rows."""
        return self.facts_bytes + _SLACK + self.count * self.row_bytes

    def within(self, room: int) -> "FixedRows":
        """As many as so many bytes have room for."""
        fit = (room - self.facts_bytes - _SLACK) // self.row_bytes
        return replace(self, count=max(0, min(self.count, fit)))


class Entry:
    """What is kept for a key, as long as this object or an array of its rows lives.

    rows: uint8, all bytes of the rows, memory-mapped and read-only. facts: arrays that belong to them.
    """

    def __init__(self, folder: Path, mapping: mmap.mmap | None, facts: Mapping[str, np.ndarray]) -> None:
        self.folder, self.facts, self._mapping = folder, facts, mapping
        self.rows = np.frombuffer(mapping or b"", np.uint8)
        self._touched, self._lock = 0, threading.Lock()

    def touched(self, count: int, row_bytes: int) -> None:
        """Says that so many rows were copied; now and then their pages are let go, which then count for the system's
        file cache alone.
        """
        if self._mapping is None or self.rows.nbytes <= _RESIDENT_BYTES:
            return
        with self._lock:
            self._touched += count * (row_bytes + _FAULT_BYTES)
            if self._touched < _RESIDENT_BYTES:
                return
            self._touched = 0
        self._mapping.madvise(mmap.MADV_DONTNEED)

    def worked_out(self, name: str, key: str, work: Callable[[], Any]) -> Any:
        """What `work` returned for this key, as JSON has it: kept beside the rows under this name, for one key."""
        path = self.folder / f"{name}.json"
        if path.is_file():
            known = json.loads(path.read_text())
            if known["key"] == key:
                return known["value"]
        value = work()
        with locked(self.folder.parent / "lock"):
            if self.folder.is_dir():
                write_json(path, {"key": key, "value": value})
        return value


@dataclass(frozen=True)
class Cache:
    """A folder of entries. name: of the folder. content: what is kept, for messages. instead: what to do where it
    cannot be.
    """

    name: str
    content: str
    instead: str = ""

    @property
    def home(self) -> Path:
        """The folder, which need not exist yet."""
        return cache_folder(self.name)

    def entry(self, key: str, build: Build, *, limit: int, fixed: FixedRows | None = None) -> Entry:
        """The entry of this key, which is built first if there is none, or a damaged one. Of processes that start
        together one builds, the others wait for it.

        build: called with a file and a count, writes the rows and returns the facts: of fixed rows the first `count`,
        each at its place, in any order; else all rows, one after the other. limit: bytes that all entries together may
        take; the least recently used ones without a reader make room. fixed: of rows of one size, the first of which
        are kept as far as there is room; rows of different sizes are all kept.

        Raises RunError when the folder cannot be written.
        """
        home = self.home
        try:
            home.mkdir(parents=True, exist_ok=True)
            with locked(home / f"{key}.lock"):
                found = _open(home, key, limit)
                if found is None:
                    _build(home, key, build, limit, fixed)
                    found = _open(home, key, limit)
        except OSError as error:
            raise self.failure(error) from error
        if found is None:
            raise RunError(
                f"What was just written to {home / key} is missing. Is another program deleting files in this folder?"
            )
        return found

    def failure(self, error: OSError) -> RunError:
        """The error for a folder that cannot be written."""
        instead = f", or {self.instead}" if self.instead else ""
        return RunError(
            f"Cannot keep {self.content} in {self.home}: {error.strerror or error}.\n"
            f"Set SENSORIUM_CACHE to a folder with room{instead}."
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds this lock file, then holds it."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(home: Path, key: str, limit: int) -> Entry | None:
    """The entry; None when there is none, or a damaged one."""
    folder = home / key
    with locked(home / "lock"):
        try:
            with np.load(folder / "facts.npz") as stored:
                facts = {name: stored[name] for name in stored.files}
            with (folder / "rows").open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size != int(facts.pop("size")):
                    return None
                fcntl.flock(file, fcntl.LOCK_SH)  # a mapping keeps the file open, and with it this lock
                mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else None
        except _DAMAGE:
            return None
        now = time.time_ns()  # the system's own times of change are a few milliseconds apart
        os.utime(folder, ns=(now, now))  # the entry used last is removed last
        _make_room(home, 0, limit)
    return Entry(folder, mapping, facts)


def _build(home: Path, key: str, build: Build, limit: int, fixed: FixedRows | None) -> None:
    """Puts an entry in place. The caller holds KEY.lock."""
    with locked(home / "lock"):
        for old in (home / key, *home.glob(f"{key}.*.tmp")):  # a damaged one, and what a killed process left
            _remove(old)
        room = _make_room(home, fixed.total if fixed else 0, limit)
        folder = Path(tempfile.mkdtemp(prefix=f"{key}.", suffix=".tmp", dir=home))
        with (folder / "rows").open("wb") as file:
            if fixed:
                room = min(room, fixed.total)
                fixed = fixed.within(room)
                file.truncate(fixed.total)  # at once, so that others who make room count it
    try:
        with (folder / "rows").open("r+b") as file:
            facts = build(file, fixed.count if fixed else 0)
            if fixed:
                # Facts of more bytes than expected, such as a long list of errors, take the room of the last rows.
                facts_bytes = sum(array.nbytes for array in facts.values()) - _SLACK // 2
                fixed = replace(fixed, facts_bytes=max(fixed.facts_bytes, facts_bytes)).within(room)
                file.truncate(fixed.count * fixed.row_bytes)
            file.flush()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        kept: dict[str, Any] = {**facts, "size": np.array(size)}
        with replacing(folder / "facts.npz") as file:
            np.savez(file, **kept)
        _sync(folder)
        with locked(home / "lock"):
            folder.rename(home / key)
            _sync(home)
    finally:
        with locked(home / "lock"):
            _remove(folder)


def _make_room(home: Path, needed: int, limit: int) -> int:
    """Removes the oldest entries until `needed` more bytes fit; returns how many fit. HOME/lock must be held."""
    for path in home.glob("*.tmp"):  # those that no process builds any more; a living builder holds the lock of its key
        _removed(path, home / f"{path.name.lstrip('.').split('.')[0]}.lock")
    entries = [path for path in home.iterdir() if path.is_dir() or path.suffix not in ("", ".lock")]
    entries.sort(key=lambda path: path.stat().st_mtime_ns)
    used = {entry: _size(entry) for entry in entries}
    total = sum(used.values())
    for entry in entries:
        if total + needed <= limit:
            break
        if entry.suffix != ".tmp" and _removed(entry, entry / "rows" if entry.is_dir() else entry):
            total -= used[entry]
    return limit - total


def _size(entry: Path) -> int:
    size = 0
    for file in (entry, *entry.glob("*")):
        with suppress(FileNotFoundError):  # one that its builder has just renamed
            size += file.stat().st_size if file.is_file() else 0
    return size


def _removed(path: Path, lock: Path) -> bool:
    """Removes what lies there unless a process holds this lock; returns whether it did."""
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _remove(path)
    return True


def _remove(path: Path) -> None:
    if path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Makes the names in a folder as lasting as the bytes behind them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
