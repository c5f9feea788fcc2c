"""Which shards a setting names: a folder, files, patterns, or addresses that fsspec opens."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from sensorium.data.listing import SPLIT_NAMES
from sensorium.errors import RequestError, as_typed, cut, listing, missing_extra
from sensorium.files import exists, is_file, is_folder, meant, not_a_file, refuse_whole_system, user_path, visible

_EXPECTED = "Give a folder of .tar files, a pattern such as shards/train-{000000..000099}.tar, or a list of these."
_RANGE = re.compile(r"([0-9]{1,18})\.\.([0-9]{1,18})")
_BRACES = re.compile(r"\{([^{}]*)\}")
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_MOST = 1_000_000  # shards of a pattern
# What storages call the things that change with a file.
_STAMPS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "updated", "created", "md5Hash")
_THREADS = 16  # that ask a storage for sizes


@dataclass(frozen=True)
class Shard:
    """A tar file. address: as it was named. size: bytes. stamp: what changes when the file does. split: train, val,
    test, or "" where its name does not say. place: the same for one file under two names. files: fsspec's file
    system, None for the local disk.
    """

    address: str
    size: int
    stamp: str
    split: str
    place: object
    files: Any = None

    @property
    def source(self) -> bytes:
        """What says that it is still the same."""
        return f"\n{self.address}\n{self.size} {self.stamp}".encode(errors="surrogateescape")


def find_shards(given: str | Sequence[str] | None) -> list[Shard]:
    """The shards that dataset.root names, in the order of their addresses where a folder or a pattern names several.

    Raises RequestError for none, for one that is not there, and for compressed ones.
    """
    if given is None or not given:
        raise RequestError(f"dataset.root is not set. {_EXPECTED}")
    addresses = [address for pattern in _named(given) for one in _braces(pattern) for address in _found(one, pattern)]
    with ThreadPoolExecutor(_THREADS) as pool:
        shards = list(pool.map(_looked_at, addresses))
    _refuse_twice(shards)
    return shards


def _named(given: object) -> list[str]:
    """One name or several; a number may be one."""
    named = list(given) if isinstance(given, list | tuple) else [given]
    if not all(isinstance(one, str | int) and not isinstance(one, bool) and one != "" for one in named):
        raise RequestError(f"dataset.root={as_typed(given)} is not possible. {_EXPECTED}")
    return [str(one) for one in named]


def _refuse_twice(shards: Sequence[Shard]) -> None:
    seen: dict[object, str] = {}
    for shard in shards:
        if shard.place in seen:
            first, second = cut(seen[shard.place]), cut(shard.address)
            names = f"{first} twice" if first == second else f"one shard twice: {first} is {second}"
            raise RequestError(f"dataset.root names {names}. Name each shard once.")
        seen[shard.place] = shard.address


def missing_numbers(addresses: Sequence[str]) -> list[str]:
    """A line for each series of shards (train-000000.tar, train-000001.tar ...) in which numbers are left out."""
    series: dict[tuple[str, int], set[int]] = {}
    for address in addresses:
        if match := re.fullmatch(r"(.*?)(\d{1,12})\.tar", address, re.DOTALL | re.IGNORECASE):
            series.setdefault((match[1], len(match[2])), set()).add(int(match[2]))
    lines = []
    for (begin, digits), numbers in series.items():
        gap = max(numbers) - min(numbers) + 1 - len(numbers)
        if 0 < gap <= len(numbers):  # more are no series
            first = next(number for number in range(min(numbers), max(numbers)) if number not in numbers)
            others = f" and {gap - 1:,} more of its series are" if gap > 1 else " is"
            lines.append(f"{begin}{first:0{digits}d}.tar{others} missing; only the shards that are there are read")
    return lines


def beside(shard: Shard, name: str) -> bytes | None:
    """The content of a file in the folder of a shard; None when there is none."""
    address = shard.address.rpartition("/")[0]
    if shard.files is None:
        path = Path(shard.address).parent / name
        return path.read_bytes() if path.is_file() else None
    with reachable(f"{address}/{name}"):
        try:
            content: bytes = shard.files.cat_file(shard.files._strip_protocol(f"{address}/{name}"))
        except FileNotFoundError:
            return None
        return content


@contextmanager
def reachable(address: str, kind: Callable[[str], Exception] = RequestError) -> Iterator[None]:
    """Around what a storage is asked: its errors as one of `kind` that names the address."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _failures() as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise kind(f"{cut(address)} cannot be reached: {reason[0][:200]}.") from error


def _failures() -> tuple[type[Exception], ...]:
    """What storages raise: for a protocol that nothing opens, without the package for it, and of HTTP."""
    try:
        import aiohttp
    except ImportError:
        return (OSError, ValueError, ImportError)
    return (OSError, ValueError, ImportError, aiohttp.ClientError)


def _braces(pattern: str) -> Iterator[str]:
    """train-{00..02}.tar and {a,b}.tar written out, as shells and webdataset do."""
    parts = _BRACES.split(pattern)
    choices = [_choices(part, pattern) if number % 2 else [part] for number, part in enumerate(parts)]
    if prod(map(len, choices)) > _MOST:
        raise RequestError(f"dataset.root={cut(pattern)} stands for more than {_MOST:,} shards.")
    yield from map("".join, product(*choices))


def _choices(inner: str, pattern: str) -> list[str]:
    if found := _RANGE.fullmatch(inner):
        first, last = found.groups()
        if int(last) - int(first) >= _MOST:
            raise RequestError(f"dataset.root={cut(pattern)} stands for more than {_MOST:,} shards.")
        if int(last) < int(first):
            raise RequestError(f"dataset.root={cut(pattern)}: {{{inner}}} counts from {first} up to {last}. Turn it.")
        return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    if "," not in inner:
        raise RequestError(
            f"dataset.root={cut(pattern)}: {{{inner}}} is neither a range {{000..099}} nor a list {{a,b}}."
        )
    return inner.split(",")


def is_remote(address: str) -> bool:
    """Whether fsspec has to open it; file:// is the local disk."""
    return "://" in address and not address.startswith("file://")


def _found(name: str, pattern: str) -> list[str]:
    """The addresses that a name without braces stands for. pattern: as it was given."""
    return _found_remote(name) if is_remote(name) else _found_local(name.removeprefix("file://"), pattern)


def _found_local(name: str, pattern: str) -> list[str]:
    path = user_path(name)
    if is_folder(path):
        refuse_whole_system(path)
        return _of_folder(name, [str(file) for file in sorted(path.iterdir()) if visible(file.name)])
    if re.search(r"[*?\[]", name) and not is_file(path):
        # Brackets of a folder that is there are its own.
        inner, outer = (path.name, path.parent) if is_folder(path.parent) else (str(path), Path())
        there = sorted(str(outer / one) for one in glob(inner, root_dir=outer))  # noqa: PTH207 (Path's refuses **.tar)
        return _of_folder(name, [file for file in there if visible(Path(file).name)])
    _refuse_packed(name, [name])
    if wrong := not_a_file(path):
        raise RequestError(f"dataset.root={cut(name)} is {wrong}. {_EXPECTED}")
    if not is_file(path):
        others = sorted(file.name for file in path.parent.glob("*.tar")) if is_folder(path.parent) else []
        there_are = f"\nIn {path.parent}: {listing(others, limit=5)}." if others else meant(path)
        what = (
            "there is no such file or folder"
            if name == pattern.removeprefix("file://")
            else f"there is no shard {cut(name)}"
        )
        raise RequestError(f"dataset.root={cut(pattern)}: {what}.{there_are}")
    return [str(path)]


def _found_remote(pattern: str) -> list[str]:
    if "::" in pattern:
        raise RequestError(f"dataset.root={cut(pattern)}: chained addresses (::) are not read. {_EXPECTED}")
    files, path = file_system(pattern)
    with reachable(pattern):
        if re.search(r"[*?\[]", path):
            return _of_folder(pattern, [_full(files, one) for one in sorted(files.glob(path))])
        if path.endswith((".tar", *_PACKED)):
            _refuse_packed(pattern, [pattern])
            return [pattern]
        try:
            return _of_folder(pattern, [_full(files, one) for one in sorted(files.ls(path, detail=False))])
        except FileNotFoundError:
            raise RequestError(f"dataset.root={cut(pattern)}: nothing is there. {_EXPECTED}") from None


def _full(files: Any, path: str) -> str:
    """An address with its protocol, which some file systems take off."""
    return path if "://" in path else str(files.unstrip_protocol(path))


def file_system(address: str) -> tuple[Any, str]:
    """fsspec's file system for an address, and the address as that system writes it."""
    try:
        import fsspec
    except ImportError:
        raise missing_extra("fsspec", "shards") from None
    with reachable(address):
        files, path = fsspec.core.url_to_fs(address)
        return files, str(path)


def _of_folder(pattern: str, there: list[str]) -> list[str]:
    _refuse_packed(pattern, there)  # beside plain ones too: their examples would be missing unnoticed
    found = [address for address in there if address.lower().endswith(".tar")]
    if not found:
        names = [address.rstrip("/").rpartition("/")[2] for address in there]
        what = f"it holds {listing(names, limit=5)}" if names else "nothing is there"
        raise RequestError(f"dataset.root={cut(pattern)} matches no .tar file; {what}.\n{_EXPECTED}")
    return found


def _refuse_packed(pattern: str, there: list[str]) -> None:
    packed = next((address for address in there if address.lower().endswith(_PACKED)), None)
    if packed:
        raise RequestError(
            f"dataset.root={cut(pattern)}: {packed} is compressed, and examples inside cannot be read one by one."
            "\nUnpack it to a plain .tar first (images and FLAC are compressed already)."
        )


def _looked_at(address: str) -> Shard:
    """Its size, and what changes with it."""
    split = _split_of(address)
    if not is_remote(address):
        path = Path(address)
        if wrong := "a folder" if is_folder(path) else not_a_file(path) if exists(path) else "a link to nothing":
            raise RequestError(f"dataset.root: {cut(address)} is {wrong}; a shard is a .tar file.")
        found = path.stat()
        # A file system without such numbers has 0.
        place = (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(address)
        return Shard(address, found.st_size, str(found.st_mtime_ns), split, place)
    files, remote = file_system(address)
    with reachable(address):
        try:
            info = files.info(remote)
        except FileNotFoundError as error:
            if isinstance(error.__cause__, ConnectionError | OSError):  # HTTP calls a server that does not answer so
                raise error.__cause__ from None
            raise RequestError(f"dataset.root: there is no {cut(address)}.") from None
    if info.get("size") is None:
        raise RequestError(f"{cut(address)}: the server does not say how large it is.")
    stamp = json.dumps({key: str(info[key]) for key in _STAMPS if info.get(key)}, sort_keys=True)
    return Shard(address, int(info["size"]), stamp, split, _full(files, remote), files)


def _split_of(address: str) -> str:
    """train-000.tar and imagenet-validation-07.tar say which split they are of, by a word of their name; val/000.tar by
    that of its folder, if it is nothing else.
    """
    folders, _, name = address.replace("\\", "/").rpartition("/")
    words = {SPLIT_NAMES[word] for word in re.split(r"[^a-z]+", name.lower()) if word in SPLIT_NAMES}
    if len(words) == 1:
        return words.pop()
    return SPLIT_NAMES.get(folders.rpartition("/")[2].lower(), "")
