"""WAV, AIFF, CAF and similar containers: bytes of samples stated by the header against bytes that follow it.

What was written to a pipe, or by a program that ended early, states none, too few or too many.
"""

import math
import re
import struct
from io import BytesIO
from typing import IO, NamedTuple

_UNKNOWN = 0x7FFF0000  # bytes; from here on what programs write that do not know the length in advance
_SLACK = 128  # bytes behind the samples that may be anything
_DATA = (b"data", b"SSND")
_LONG = struct.Struct("<Q")
_FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff", b"riff")
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
# Chunks that come behind the samples; the last one may be cut, and no sample is lost.
_USUAL = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"PEAK", b"cue ", b"afsp")
_GUID = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"  # the end of the names of chunks in W64


class _Layout(NamedTuple):
    """start: bytes before the first chunk. name: bytes of a chunk's name. size: the form of its size. step: chunks
    begin at multiples of it. whole: whether the size counts the head of the chunk, its name and itself.
    """

    start: int
    name: int
    size: struct.Struct
    step: int
    whole: bool = False

    @property
    def head(self) -> int:
        """Bytes of the head of a chunk."""
        return self.name + self.size.size


_LITTLE, _BIG = struct.Struct("<I"), struct.Struct(">I")
_LAYOUTS = {
    b"RIFF": _Layout(12, 4, _LITTLE, 2), b"RF64": _Layout(12, 4, _LITTLE, 2), b"RIFX": _Layout(12, 4, _BIG, 2),
    b"FORM": _Layout(12, 4, _BIG, 2), b"caff": _Layout(8, 4, struct.Struct(">q"), 1),
    b"riff": _Layout(40, 16, struct.Struct("<q"), 8, True),
}  # fmt: skip


class Field(NamedTuple):
    """Where a header has the bytes of the samples. place, form: of the number. besides: what it counts besides."""

    place: int
    form: struct.Struct
    besides: int = 0


class Stated(NamedTuple):
    """What a header says of the samples. size: bytes; None where it does not say. there: bytes to the end of the file.
    more: bytes that follow the samples and are no known chunk. second: "data" or "file" where a second one follows.
    """

    size: int | None
    there: int
    field: Field | None
    more: int = 0
    second: str = ""


def stated(file: IO[bytes], start: bytes, size: int) -> Stated | None:
    """Of an open file of `size` bytes that begins with `start`; None for other formats, or one without samples."""
    content = _Content(file, start, size)
    if start[:4] == b".snd":
        begin, count = struct.unpack(">II", start[4:12].ljust(8, b"\0"))
        return _compared(content, begin, count, Field(8, _BIG))
    if start[:7] == b"NIST_1A":
        return _nist(content)
    layout = _LAYOUTS.get(start[:4])
    return _chunked(content, layout) if layout else None


def completed(content: bytes, found: Stated) -> BytesIO:
    """The content, with the number of bytes that are there in the header."""
    changed = bytearray(content)
    if found.field is not None:
        found.field.form.pack_into(changed, found.field.place, found.there + found.field.besides)
    return BytesIO(changed)


class _Content:
    """Any bytes of a file; those of its beginning without reading it again."""

    def __init__(self, file: IO[bytes], start: bytes, size: int) -> None:
        self._file, self._start, self.size = file, start, size

    def at(self, place: int, count: int) -> bytes:
        """As many as are there."""
        if place + count <= len(self._start) or place >= self.size:
            return self._start[place : place + count]
        self._file.seek(place)
        return self._file.read(count)

    def chunk(self, place: int, layout: _Layout) -> tuple[bytes, int] | None:
        """The first four bytes of the name of the chunk at a place, and its size; None where there is none."""
        head = self.at(place, layout.head)
        if len(head) < layout.head:
            return None
        known = layout.name == 4 or head[4:16] == _GUID or head[:4] == b"riff"
        return head[:4] if known else b"\0\0\0\0", layout.size.unpack_from(head, layout.name)[0]

    def is_chunk(self, place: int, layout: _Layout) -> bool:
        """Whether a chunk is at a place: a name of letters, and a size that the file has room for."""
        name, size = self.chunk(place, layout) or (b"\0", 0)
        if name in _USUAL:
            return True
        size += 0 if layout.whole else layout.head
        return size >= layout.head and place + size <= self.size and all(32 <= byte < 127 for byte in name)


def _chunked(content: _Content, layout: _Layout) -> Stated | None:
    place, long_size = layout.start, None
    while (chunk := content.chunk(place, layout)) is not None:
        name, size = chunk
        begin, besides = place + layout.head, layout.head if layout.whole else 0
        if name == b"ds64":  # the sizes of RF64, too large for their chunks
            long_size = _LONG.unpack(content.at(begin + 8, 8).ljust(8, b"\0"))[0]
        if name in _DATA and long_size is not None:
            return _compared(content, begin, long_size, Field(layout.start + layout.head + 8, _LONG), layout)
        if name in _DATA:
            return _compared(content, begin, size - besides, Field(place + layout.name, layout.size, besides), layout)
        if size < besides:
            return None
        place = begin + _padded(size - besides, layout)
    return None


def _compared(content: _Content, begin: int, size: int, field: Field | None, layout: _Layout | None = None) -> Stated:
    """Of samples that begin at a place, of `size` bytes by the header."""
    there = max(0, content.size - begin)
    if size < 0 or (size >= _UNKNOWN and size > there):
        # What libsndfile knows of four bytes it does not of eight.
        small = field is not None and field.form.size == 4
        return Stated(there if small else None, there, field)
    more, second = _behind(content, begin + size, layout)
    if more and not size:
        return Stated(None, there, field)
    return Stated(size, there, field, more, second)


def _behind(content: _Content, place: int, layout: _Layout | None) -> tuple[int, str]:
    """The bytes behind the samples that are in no chunk, and which second chunk or file begins there."""
    if place >= content.size:
        return 0, ""
    if layout is not None:
        padded = _padded(place, layout)
        # Some writers leave the byte out that a chunk of odd size is filled with.
        forgotten = content.is_chunk(place, layout) and not content.is_chunk(padded, layout)
        place = place if forgotten else padded
    while layout is not None and (chunk := content.chunk(place, layout)) is not None:
        name, size = chunk
        if name in _DATA:
            return 0, "data"
        if name in _FILES or not content.is_chunk(place, layout):
            break
        place += _padded(size if layout.whole else size + layout.head, layout)
    start, rest = content.at(place, 16), content.size - place
    if start[:4] in _FILES or start[:4] == b".snd":
        return 0, "file"
    return (0, "") if rest <= _SLACK or start.startswith(_TAGS) else (rest, "")


def _padded(size: int, layout: _Layout) -> int:
    return size + -size % layout.step


def _nist(content: _Content) -> Stated | None:
    """Of NIST SPHERE, whose header is text: its own length in the second line, then names, types and values."""
    head = content.at(0, 1024)
    numbers = {name: int(value) for name, value in re.findall(rb"^(\w+) -i\s+(\d+)", head, re.MULTILINE)}
    length = re.match(rb"NIST_1A\n\s*(\d+)\n", head)
    parts = [numbers.get(name) for name in (b"sample_count", b"sample_n_bytes", b"channel_count")]
    if length is None or None in parts:
        return None
    return _compared(content, int(length.group(1)), math.prod(part or 0 for part in parts), None)
