"""The frames of an MP3 file. They alone give its length: a header that counts them may be missing, wrong, or that of
the first of several recordings put one after another.
"""

import struct
from functools import cache
from io import BytesIO
from typing import NamedTuple

import numpy as np

from sensorium.audio.formats import START, begins_mp3, mp3_frame_bytes

_WORD = struct.Struct(">I")
_SIZED_BY = 0xFFFEFE00  # the bits of a frame's header that its length follows from
_FORM = 0x001E0C00  # version, layer and sample rate
_BITRATE = 0x0000F000
_COUNTED = 3  # flags of a Xing header that has the numbers of frames and of bytes
_HEAD = 16  # bytes of such a header without more
_LOST = 2  # frames that a header may count too few or too many: editors are that inexact
_SLACK = 4096  # bytes behind the last frame that may be anything
_MOST_PAIRS = 288  # of values in a granule
_BLOCK = 4096  # frames looked into at once


class Mp3(NamedTuple):
    """wrong: why the file cannot be read, or "". rebuilt: its frames behind a header that counts them; None where the
    file can be read as it is. constant: whether all frames have one bitrate; in others libsndfile seeks inexactly.
    """

    wrong: str
    rebuilt: BytesIO | None
    constant: bool


class _Walk(NamedTuple):
    """places, sizes: (N,) int64 bytes, where each frame is. words: (N,) int64, the first four bytes of each. end: of
    the last frame, whole or cut. gaps: (number of the next frame, bytes) of what is neither frame nor tag. rest: bytes
    behind the last frame that are neither.
    """

    places: np.ndarray
    sizes: np.ndarray
    words: np.ndarray
    end: int
    gaps: list[tuple[int, int]]
    rest: int


def examine(content: bytes, *, inside: bool = True) -> Mp3 | None:
    """What the frames of a file say of it; None for one without frames of layer III.

    inside: whether to look for damage inside of frames too, which is for those that will be decoded.
    """
    walk = _walk(content)
    heads = _heads(content, walk)
    audio = np.delete(np.arange(len(walk.places)), heads)
    if not len(audio):
        return None
    constant = bool((walk.words[audio] & _BITRATE == walk.words[audio[0]] & _BITRATE).all())
    counted = _counted(content, walk) if heads and heads[0] == 0 else None
    own = counted if len(heads) == 1 else None  # a header of the whole
    if wrong := _wrong(walk, audio, heads, counted=own[0] if own else None) or (
        _damage(content, walk, audio) if inside else ""
    ):
        return Mp3(wrong, None, constant)
    begin, end = int(walk.places[0]), walk.end
    if (walk.places[1:] == (walk.places + walk.sizes)[:-1]).all():
        # libsndfile believes the header; without one it divides the bytes by those of the first frame.
        by_head = own is not None and own[0] >= len(audio) and _about(own[1], end - begin)
        if by_head or (constant and not heads):
            alone = begin == 0 and end == len(content)  # its decoder has remarks on tags
            return Mp3("", None if alone else BytesIO(content[begin:end]), constant)
    return Mp3("", _rebuilt(content, walk, audio), constant)


def _walk(content: bytes) -> _Walk:
    frames: list[tuple[int, int, int]] = []  # place, size, word
    gaps: list[tuple[int, int]] = []
    known: dict[int, int] = {}
    place, length, rest = 0, len(content), 0
    while place + 4 <= length:
        word = _WORD.unpack_from(content, place)[0]
        size = known.get(word & _SIZED_BY)
        if size is None:
            size = known[word & _SIZED_BY] = mp3_frame_bytes(_WORD.pack(word))
        if size:
            frames.append((place, size, word))
            place += size
        elif tag := _tag_bytes(content, place):
            place += tag
        elif (found := _next_frame(content, place)) >= 0:
            if frames:
                gaps.append((len(frames), found - place))
            place = found
        else:
            rest = length - place
            break
    end = sum(frames[-1][:2]) if frames else 0
    if end > length:
        del frames[-1]  # it is cut
    places, sizes, words = np.array(frames, np.int64).reshape(-1, 3).T
    return _Walk(places, sizes, words, min(end, length), gaps, rest)


def _tag_bytes(content: bytes, place: int) -> int:
    """The length of a tag (ID3 of version 2 or 1, APE, Lyrics3), or of zeros, that is at a place; 0 for none."""
    head = content[place : place + 32]
    if head[:3] == b"TAG":
        return 128
    if head[:3] == b"ID3" and len(head) >= 10:
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        return 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        is_header = head[23] & 0x20  # else it is the footer, behind what it counts
        return 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head[:11] == b"LYRICSBEGIN":
        return max(0, content.find(b"LYRICS200", place) + 9 - place)
    begin = place
    while (block := content[place : place + START]) and not block.strip(b"\0"):
        place += len(block)
    return place + len(block) - len(block.lstrip(b"\0")) - begin


def _next_frame(content: bytes, place: int) -> int:
    """Where two frames, one after another, begin; -1 for nowhere."""
    while (place := content.find(b"\xff", place + 1)) >= 0:
        if begins_mp3(content[place : place + START]):
            return place
    return -1


def _heads(content: bytes, walk: _Walk) -> list[int]:
    """The numbers of the frames that hold no audio but a header of Xing, Info or VBRI."""
    found = set()
    for mark in (b"Xing", b"Info", b"VBRI"):
        place = -1
        while (place := content.find(mark, place + 1)) >= 0:
            number = int(np.searchsorted(walk.places, place)) - 1
            if number >= 0 and place == walk.places[number] + _head_place(mark, int(walk.words[number])):
                found.add(number)
    return sorted(found)


def _head_place(mark: bytes, word: int) -> int:
    return 36 if mark == b"VBRI" else 4 + _side_bytes(word)


def _counted(content: bytes, walk: _Walk) -> tuple[int, int] | None:
    """(frames with audio, bytes with its own) as the header in the first frame counts them; None where it does not."""
    place = int(walk.places[0])
    if content[place + 36 : place + 40] == b"VBRI":
        size, count = struct.unpack_from(">II", content, place + 46)
        return count, size
    flags, count, size = struct.unpack_from(">III", content, place + 8 + _side_bytes(int(walk.words[0])))
    return (count, size) if flags & _COUNTED == _COUNTED else None


def _about(stated: int, there: int) -> bool:
    """Whether two numbers of bytes are the same to half a percent; beyond one, libsndfile's decoder complains."""
    return abs(there - stated) * 200 <= there


def _wrong(walk: _Walk, audio: np.ndarray, heads: list[int], *, counted: int | None) -> str:
    """Why a file cannot be read to its end, or "". counted: frames, by a header of the whole; None for none.

    Recordings with headers could be joined too, but each has silence of its encoder around it, which belongs to none.
    """
    words = walk.words[audio]
    first = int(words[0])
    other = np.flatnonzero((words & _FORM != first & _FORM) | (_is_mono(words) != _is_mono(first)))
    if len(other):
        after, then = _until(first, int(other[0])), _described(int(words[other[0]]))
        return f"continues after {after} of {_described(first)} with {then}: several MP3 recordings in one file"
    if walk.gaps:
        number, size = walk.gaps[0]
        return f"damaged after {_until(first, int(np.searchsorted(audio, number)))}: {size:,} bytes there are not MP3"
    if len(heads) > 1 or (counted is not None and len(audio) - counted > _LOST):
        return "continues after its stated end: several MP3 recordings in one file"
    if counted is not None and counted - len(audio) > _LOST:
        return f"truncated: {len(audio):,} of {counted:,} MP3 frames present"
    if walk.rest > _SLACK:
        return f"continues after {_until(first, len(audio))} with {walk.rest:,} bytes that are not MP3"
    return ""


def _damage(content: bytes, walk: _Walk, audio: np.ndarray) -> str:
    """That frames hold no audio, or ""."""
    if not len(bad := _impossible(content, walk, audio)):
        return ""
    after = _until(int(walk.words[audio[0]]), int(bad[0]))
    return f"damaged after {after}: {len(bad):,} of {len(audio):,} MP3 frames hold no audio"


def _impossible(content: bytes, walk: _Walk, audio: np.ndarray) -> np.ndarray:
    """Which of the frames, all of one form, ask for more than there can be: (n,) int64 numbers among them.

    That is more than 288 pairs of values, or more bits than the frame has and those before it left to it (ISO 11172-3,
    2.4.1.7).
    """
    raw, first = np.frombuffer(content, np.uint8), int(walk.words[audio[0]])
    side, weights = _side_bytes(first), _weights(_is_mpeg1(first), 1 if _is_mono(first) else 2)
    found = []
    for start in range(0, len(audio), _BLOCK):
        some = audio[start : start + _BLOCK]
        checksum = np.where(walk.words[some] & 0x10000, 0, 2)  # bytes
        places = walk.places[some] + 4 + checksum
        bits = np.unpackbits(raw[places[:, None] + np.arange(side)], axis=1)  # (n, 8 * side)
        numbers = bits.astype(np.float32) @ weights
        had = 8 * (numbers[:, 0] + walk.sizes[some] - 4 - checksum - side)
        found.append(start + np.flatnonzero((numbers[:, 1] > had) | (numbers[:, 2:] > _MOST_PAIRS).any(axis=1)))
    return np.concatenate(found)


@cache
def _weights(mpeg1: bool, channels: int) -> np.ndarray:
    """What makes numbers of the bits of side information (8 * side, 2 + P) float32: the bytes that frames before left,
    the bits of all P parts (of a granule and channel), and the pairs of values of each.
    """
    begin = (9 + (5 if channels == 1 else 3) + 4 * channels) if mpeg1 else 8 + channels  # bits before the first part
    parts = [begin + (59 if mpeg1 else 63) * part for part in range(channels * (2 if mpeg1 else 1))]
    side = (17 if channels == 1 else 32) if mpeg1 else (9 if channels == 1 else 17)
    weights = np.zeros((8 * side, 2 + len(parts)), np.float32)
    weights[: 9 if mpeg1 else 8, 0] = 2 ** np.arange(9 if mpeg1 else 8)[::-1]
    for number, part in enumerate(parts):
        weights[part : part + 12, 1] = 2 ** np.arange(12)[::-1]
        weights[part + 12 : part + 21, 2 + number] = 2 ** np.arange(9)[::-1]
    return weights


def _rebuilt(content: bytes, walk: _Walk, audio: np.ndarray) -> BytesIO:
    """The frames with audio, one after another, behind a frame with a Xing header that counts them."""
    places, sizes = walk.places[audio].tolist(), walk.sizes[audio].tolist()
    frames = b"".join(content[place : place + size] for place, size in zip(places, sizes, strict=True))
    word = int(walk.words[audio[0]]) & ~0xF200 | 0x10000  # no checksum, not padded
    place = 4 + _side_bytes(word)
    # The first bitrate whose frames have room.
    word, size = next(
        (word | rate << 12, size)
        for rate in range(1, 15)
        if (size := mp3_frame_bytes(_WORD.pack(word | rate << 12))) >= place + _HEAD
    )
    head = bytearray(size)
    _WORD.pack_into(head, 0, word)
    struct.pack_into(">4sIII", head, place, b"Xing", _COUNTED, len(audio), size + len(frames))
    return BytesIO(bytes(head) + frames)


def _is_mpeg1(word: int) -> bool:
    return word >> 19 & 3 == 3


def _is_mono(word: int) -> bool:
    return word >> 6 & 3 == 3


def _side_bytes(word: int) -> int:
    """Of the side information of a frame, which a header of Xing comes behind."""
    return (17 if _is_mono(word) else 32) if _is_mpeg1(word) else (9 if _is_mono(word) else 17)


def _rate(word: int) -> int:
    return (44100, 48000, 32000)[word >> 10 & 3] // {3: 1, 2: 2, 0: 4}[word >> 19 & 3]


def _until(word: int, frames: int) -> str:
    return f"{frames * (1152 if _is_mpeg1(word) else 576) / _rate(word):.1f} s"


def _described(word: int) -> str:
    return f"{_rate(word):,} Hz {'mono' if _is_mono(word) else 'stereo'}"
