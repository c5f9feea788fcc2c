"""The stated length of an audio file against its real length: truncated, too long, or unstated."""

import struct
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple

import soundfile

from sensorium.audio.containers import completed, stated
from sensorium.audio.formats import START, read_format
from sensorium.audio.mpeg import examine

_BLOCK = 1 << 16  # samples
_UNKNOWN = 1 << 60  # libsndfile says a number beyond this where a header states no length
_FLAC = b"fLaC\0\0\0\x22"  # and the head of STREAMINFO, which is always the first block
_FLAC_TAIL = 1 << 20  # bytes in which the last frame is looked for


class Examined(NamedTuple):
    """wrong: why a file cannot be read to its end, or "". content: what to read in its place; None for the file itself.
    more: bytes of something that follow the samples its header states. exact: whether any place in it can be sought.
    """

    wrong: str = ""
    content: BytesIO | None = None
    more: int = 0
    exact: bool = True


def examined(file: IO[bytes], size: int, *, inside: bool) -> Examined:
    """What the header of an open recording of `size` bytes says against what follows it.

    inside: whether to look for damage inside of frames of MP3, too.
    """
    start = file.read(START)
    kind = read_format(start)
    if kind == "MP3":
        found = examine(start + file.read(), inside=inside)
        return Examined(found.wrong, found.rebuilt, exact=found.constant) if found else Examined()
    if kind == "OGG":
        return Examined(_several(kind) if _chained_ogg(file) else "")
    if (claim := stated(file, start, size)) is None:
        return Examined()
    if claim.second:
        return Examined(_several(kind) if claim.second == "file" else "the samples continue in a second data chunk")
    if claim.size is None:
        file.seek(0)
        return Examined(content=completed(file.read(), claim))
    if claim.there < claim.size:
        return Examined(f"truncated: {claim.there:,} of {claim.size:,} bytes present")
    content = None
    if claim.size < claim.there and kind in ("W64", "NIST SPHERE"):  # where libsndfile takes all for samples
        file.seek(0)
        content = BytesIO(file.read(size - claim.there + claim.size))
    return Examined(content=content, more=claim.more)


def _several(kind: str | None) -> str:
    return f"continues after its stated end: several {kind} recordings in one file"


def has_no_length(file: soundfile.SoundFile) -> bool:
    """Whether the header states no length, as that of a FLAC file written to a pipe."""
    return file.format == "FLAC" and file.frames > _UNKNOWN


def with_length(path: Path | str | BytesIO) -> BytesIO:
    """The content of a FLAC file with the length in its header that it has, which takes decoding it once."""
    content = bytearray(path.getvalue() if isinstance(path, BytesIO) else Path(path).read_bytes())
    _state_length(content, 0)
    count = 0
    with Forward(BytesIO(content)) as file:
        while got := len(file.read(_BLOCK, dtype="float32")):
            count += got
    _state_length(content, count)
    return BytesIO(content)


def _state_length(content: bytearray, count: int) -> None:
    # The 36 bits of a count of samples begin amid the 14th byte of STREAMINFO.
    place = content.index(_FLAC) + len(_FLAC) + 13
    content[place] = content[place] & 0xF0 | count >> 32
    content[place + 1 : place + 5] = (count & 0xFFFFFFFF).to_bytes(4, "big")


class Forward(soundfile.SoundFile):
    """Read from its beginning on: where the length is unknown, or frames differ in bytes, no place can be sought."""

    def seekable(self) -> bool:
        return False


def beyond_flac(path: Path | str | BytesIO, file: soundfile.SoundFile) -> str:
    """What is wrong with an open FLAC file that continues after the samples its header states, or ""."""
    content = path.getvalue() if isinstance(path, BytesIO) else Path(path).read_bytes()
    first = content.find(_FLAC)
    if content.find(_FLAC, first + 1) >= 0:
        return _several("FLAC")
    block = struct.unpack_from(">H", content, first + len(_FLAC) + 2)[0]
    if _last_sample(content, block) <= file.frames:
        return ""
    with soundfile.SoundFile(with_length(path)) as whole:
        more = whole.frames - file.frames
    return goes_on(file, f"{more:,} samples") if more > 0 else ""


def goes_on(file: soundfile.SoundFile, more: str) -> str:
    """That something follows the samples that a header states."""
    return f"its header states {file.frames / file.samplerate:.2f} s, and {more} more follow"


def _last_sample(content: bytes, block: int) -> int:
    """A guess at the number of samples: where the last apparent frame ends.

    block: samples of a frame, where all frames have as many.
    """
    place = len(content)
    while (place := content.rfind(b"\xff", max(0, len(content) - _FLAC_TAIL), place)) >= 0:
        head = content[place : place + 16]
        if _may_be_frame(head) and (number := _number(head[4:])) is not None:
            size = 4 + number[1] + {6: 1, 7: 2}.get(head[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
            if _crc8(head[:size]) == head[size]:
                return number[0] * (block if head[1] == 0xF8 else 1) + _frame_samples(head, 4 + number[1])
    return 0


def _may_be_frame(head: bytes) -> bool:
    """Whether 16 bytes can begin a frame of FLAC: its sync code, and none of the values that RFC 9639 9.1 reserves.

    The compressed samples of a long file hold its sync code by chance, even with a CRC behind it that matches.
    """
    if len(head) < 16 or head[0] != 0xFF or head[1] not in (0xF8, 0xF9):
        return False
    block, rate, channels, sample = head[2] >> 4, head[2] & 15, head[3] >> 4, head[3] >> 1 & 7
    return block != 0 and rate != 15 and channels <= 10 and sample != 3 and not head[3] & 1


def _frame_samples(head: bytes, place: int) -> int:
    """Of a frame of FLAC; at `place` in its head are numbers for which there is no code."""
    code = head[2] >> 4
    if code in (6, 7):
        return int.from_bytes(head[place : place + code - 5], "big") + 1
    return 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8


def _number(data: bytes) -> tuple[int, int] | None:
    """A whole number written as UTF-8 writes characters, and how many bytes it takes; None for no such number."""
    ones = 8 - (data[0] ^ 0xFF).bit_length()
    if ones in (1, 8):
        return None
    size = max(1, ones)
    value = data[0] & (0x7F >> ones)
    for byte in data[1:size]:
        if byte >> 6 != 2:
            return None
        value = value << 6 | byte & 0x3F
    return value, size


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 7 if value & 0x80 else value << 1) & 0xFF
    return value


def _chained_ogg(file: IO[bytes]) -> bool:
    """Whether a stream begins behind the first pages of data: the pages are walked from header to header."""
    place, data = 0, False
    while True:
        file.seek(place)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            return False
        begins = bool(head[5] & 2)
        if begins and data:
            return True
        data = data or not begins
        place += 27 + head[26] + sum(file.read(head[26]))
