"""The heads of a tar archive, as tarfile reads them, with what is wrong with them in words. No NumPy, no torch."""

import re
import sys
import tarfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from sensorium.errors import RunError

KEY = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$", re.DOTALL)  # webdataset's own
META = re.compile(r"__[^/]*__($|/)")  # members that webdataset passes over
_LONGEST_HEAD = 1 << 18  # bytes of one header
# What tarfile raises for heads that are none; a number that is none is a ValueError.
DAMAGED = (tarfile.TarError, ValueError, IndexError, OverflowError, RecursionError)
_LOOKED_AT = 1000  # members, where the kind of a shard is guessed
_CHUNK = 1 << 20  # bytes read at once


def first_samples(path: Path, *, keep: Collection[str]) -> list[dict[str, bytes]]:
    """The fields of each of the first samples of a local shard; none of a file that is no archive. keep: fields whose
    content is read, unless it is long.
    """
    found: dict[str, dict[str, bytes]] = {}
    with path.open("rb") as content, suppress(*DAMAGED):
        archive = tarfile.open(fileobj=Heads(content, str(path)), mode="r:")  # type: ignore[call-overload]  # noqa: SIM115
        for member in islice(members(archive, path.stat().st_size), _LOOKED_AT):
            name = KEY.match(member.name)
            if name and member.isreg() and not META.match(member.name):
                field, place = name[2].lower(), content.tell()
                content.seek(member.offset_data)
                short = field in keep and member.size <= _CHUNK
                found.setdefault(name[1], {})[field] = content.read(member.size) if short else b""
                content.seek(place)
    return list(found.values())


class Heads:
    """A shard as tarfile is given it, which believes what a head says: numbers that cannot be raise ReadError."""

    def __init__(self, content: BinaryIO, address: str) -> None:
        self._content, self._address, self.tell = content, address, content.tell

    def read(self, size: int) -> bytes:
        """So many bytes of a head. Raises RunError for a disk that fails."""
        if not 0 <= size <= _LONGEST_HEAD:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        try:
            return self._content.read(size)
        except OSError as error:
            raise RunError(f"{self._address} cannot be read: {error.strerror or error}.") from error

    def seek(self, place: int) -> None:
        """Where the next head is."""
        if not 0 <= place <= sys.maxsize:
            raise tarfile.ReadError("a member of impossible size")
        self._content.seek(place)


def members(archive: tarfile.TarFile, size: int) -> Iterator[tarfile.TarInfo]:
    """The members up to the end, or to the first of which a part is missing. Raises ReadError for one that leads back.

    size: of the archive, in bytes.
    """
    place = 0
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # it would grow with the archive
        if member.size < 0 or archive.offset <= place:
            raise tarfile.ReadError("a member of impossible size")
        place = archive.offset
        if member.isreg() and not is_sparse(member) and member.offset_data + member.size > size:
            return
        yield member


def is_sparse(member: tarfile.TarInfo) -> bool:
    """Whether holes are left out of what is stored, so that the content does not lie there in one piece."""
    return member.issparse() or any(key.startswith("GNU.sparse.") for key in member.pax_headers)


def after(content: BinaryIO, place: int, size: int) -> str:
    """What is wrong behind the last member of an archive of so many bytes; "" for a whole one.

    A block of zeros ends it, and nothing but zeros follows: a reader stops there, so that more members are lost.
    """
    if place + tarfile.BLOCKSIZE > size:
        return "truncated"
    content.seek(place)
    if content.read(tarfile.BLOCKSIZE).strip(b"\0"):
        return "damaged"
    while block := content.read(_CHUNK):
        if block.count(0) < len(block):
            return "data after the mark that ends the archive (two archives joined, or a hole)"
    return ""


def not_tar(error: Exception) -> str:
    """What one of DAMAGED says about an archive."""
    if str(error) == "unexpected end of data":
        return "truncated"
    if isinstance(error, RecursionError):
        what = "more headers in a row than are read"
    else:
        what = str(error) if isinstance(error, tarfile.ReadError) else f"a damaged header: {error}"
    return f"not a readable tar archive ({what})"
