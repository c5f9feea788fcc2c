"""How long a file says it is against how long it is: parts put one behind the other, and no length at all."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import soundfile

from sensorium.audio.formats import begins_mp3, mp3_frame_bytes

_BLOCK = 1 << 16  # samples
_UNKNOWN = 1 << 60  # libsndfile says a number beyond this where a header states no length


def has_no_length(file: soundfile.SoundFile) -> bool:
    """Whether the header states no length, as that of a FLAC file written to a pipe."""
    return file.format == "FLAC" and file.frames > _UNKNOWN


def with_length(path: Path | str | BytesIO) -> BytesIO:
    """The content of a FLAC file with the length in its header that it has, which takes decoding it once."""
    content = bytearray(path.getvalue() if isinstance(path, BytesIO) else Path(path).read_bytes())
    count = 0
    with _Forward(BytesIO(content)) as file:
        while got := len(file.read(_BLOCK, dtype="float32")):
            count += got
    # STREAMINFO is the first block: its 36 bits of a count begin amid the 14th byte behind both headers.
    place = content.index(b"fLaC") + 8 + 13
    content[place] = content[place] & 0xF0 | count >> 32
    content[place + 1 : place + 5] = (count & 0xFFFFFFFF).to_bytes(4, "big")
    return BytesIO(content)


class _Forward(soundfile.SoundFile):
    """Read from its beginning to its end only: no place in a file without a length can be sought."""

    def seekable(self) -> bool:
        return False


def joined_mp3(file: BinaryIO) -> bool:
    """Whether frames follow behind the bytes that the first frame (of Xing or Info) states."""
    start = _behind_tags(file, 0)
    file.seek(start)
    frame = file.read(60)
    if not mp3_frame_bytes(frame[:4]):
        return False
    mpeg1, mono = frame[1] >> 3 & 3 == 3, frame[3] >> 6 == 3
    place = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
    flags = int.from_bytes(frame[place + 4 : place + 8], "big")
    if frame[place : place + 4] not in (b"Xing", b"Info") or not flags & 2:
        return False
    at = place + 8 + 4 * (flags & 1)
    file.seek(_behind_tags(file, start + int.from_bytes(frame[at : at + 4], "big")))
    return begins_mp3(file.read(4096))


def _behind_tags(file: BinaryIO, place: int) -> int:
    """Where the bytes begin behind the ID3 tags (version 2, or 1) that are at a place."""
    while True:
        file.seek(place)
        head = file.read(10)
        if head[:3] == b"TAG":
            place += 128
        elif head[:3] == b"ID3" and len(head) == 10:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            place += 10 + size + (10 if head[5] & 0x10 else 0)
        else:
            return place


def chained_ogg(file: BinaryIO) -> bool:
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
