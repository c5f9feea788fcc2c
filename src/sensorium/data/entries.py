"""A folder of large entries, shared by several processes at once, that never holds more than it was told.

    HOME/lock             held while somebody looks for an entry, makes room, or puts an entry in place
         KEY.lock         held by the one who opens or builds this entry
         KEY.RANDOM.tmp/  being built; renamed to KEY when complete
         KEY/pixels       locked (shared) by everyone who reads it, so that it is not removed

Whoever wants both locks takes KEY.lock first. The locks belong to open files (flock), so a killed process holds none.
"""

import fcntl
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def file_facts(path: str | Path) -> str:
    """Size and time of change of a file, which together say whether it is still the same; an error's number for one
    that cannot be looked at.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 (half the time of a new Path)
    except OSError as error:  # a link to nothing; whoever reads it says so
        return str(error.errno)
    return f"{found.st_size} {found.st_mtime_ns}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until nobody else holds this lock file, then holds it."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def map_pixels(entry: Path) -> mmap.mmap | None:
    """The entry's pixels, read-only; nobody removes the entry while the mapping lives. None for an empty file."""
    with (entry / "pixels").open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return None
        fcntl.flock(file, fcntl.LOCK_SH)  # the mapping keeps the file open, and with it this lock
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


@contextmanager
def new_entry(home: Path, key: str, *, limit: int, fixed: int, row_bytes: int, rows: int) -> Iterator[tuple[Path, int]]:
    """A temporary folder that takes its place as `key` when the block ends, and vanishes when the block raises.

    In it lies "pixels", of the length of as many rows as fit. Yields the folder and the bytes it may fill. The caller
    holds KEY.lock.

    limit: bytes the whole of HOME may hold. fixed: bytes the entry needs besides its rows.
    """
    with locked(home / "lock"):
        for old in (home / key, *home.glob(f"{key}.*.tmp")):  # a damaged one, and what a killed process left
            shutil.rmtree(old, ignore_errors=True)
        room = make_room(home, fixed + rows * row_bytes, limit)
        folder = Path(tempfile.mkdtemp(prefix=f"{key}.", suffix=".tmp", dir=home))
        with (folder / "pixels").open("wb") as file:
            # The whole length at once, so that others who make room count it.
            file.truncate(row_bytes * max(0, min(rows, (room - fixed) // row_bytes)))
    try:
        yield folder, min(room, fixed + rows * row_bytes)
        _sync(folder)
        with locked(home / "lock"):
            folder.rename(home / key)
            _sync(home)
    finally:
        with locked(home / "lock"):
            shutil.rmtree(folder, ignore_errors=True)


def make_room(home: Path, needed: int, limit: int) -> int:
    """Removes the oldest entries until `needed` more bytes fit; returns how many fit. HOME/lock must be held."""
    for path in home.glob("*.tmp"):
        _remove_abandoned(path)
    entries = sorted((path for path in home.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns)
    used = {entry: sum(file.stat().st_size for file in entry.iterdir()) for entry in entries}
    total = sum(used.values())
    for entry in entries:
        if total + needed <= limit:
            break
        if entry.suffix != ".tmp" and _remove_unread(entry):
            total -= used[entry]
    return limit - total


def remove_oldest(home: Path, *, suffix: str, others: tuple[str, ...], limit: int, keep: str) -> None:
    """For entries that are files KEY.SUFFIX and no folders: removes the longest unused until `limit` bytes are left.

    others: suffixes of the files that belong to an entry. keep: the key that stays, just opened. A mapping of a removed
    file stays whole.
    """
    with locked(home / "lock"):
        entries = sorted(home.glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime_ns)
        total = sum(path.stat().st_size for path in entries)
        for path in entries:
            key = path.name.removesuffix(suffix)
            if total <= limit:
                break
            if key == keep:
                continue
            with locked(home / f"{key}.lock"):
                total -= path.stat().st_size
                path.unlink()
                for other in others:
                    (home / f"{key}{other}").unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    """Removes what a killed process left half built; a living one holds the lock of its key."""
    with (folder.parent / f"{folder.name.split('.')[0]}.lock").open("wb") as file:
        if _try_lock(file):
            shutil.rmtree(folder, ignore_errors=True)


def _remove_unread(entry: Path) -> bool:
    with (entry / "pixels").open("rb") as file:
        if not _try_lock(file):
            return False
        shutil.rmtree(entry, ignore_errors=True)
    return True


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(folder: Path) -> None:
    """Makes the names in a folder as lasting as the bytes behind them."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
