"""Audio formats by the first bytes of a file: those that are supported, and those that are known but not supported."""

_READ = {
    b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "RF64", b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3", b"FORM": "AIFF",
    b".snd": "AU", b"caff": "CAF", b"riff\x2e\x91\xcf\x11": "W64", b"NIST_1A": "NIST SPHERE",
}  # fmt: skip
_UNREAD = {
    b"\x1aE\xdf\xa3": "WebM or Matroska", b"0&\xb2u\x8ef\xcf\x11": "Windows Media", b"#!AMR": "AMR", b"ADIF": "AAC",
    b"MAC ": "Monkey's Audio", b"wvpk": "WavPack",
}  # fmt: skip
START = 4096  # bytes that tell a format
# Of MPEG-1 layer III, and of MPEG-2 and 2.5: kilobits per second, by the number in a frame's header.
_KILOBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_HERTZ = (44100, 48000, 32000)  # of MPEG-1; half of MPEG-2, a quarter of MPEG-2.5


def read_format(start: bytes) -> str | None:
    """The name of the format of a file that is read here and begins like that; None for any other."""
    known = next((name for mark, name in _READ.items() if start.startswith(mark)), None)
    return known or ("MP3" if begins_mp3(start) else None)


def unread_format(start: bytes) -> str | None:
    """The name of a known format that is not read here; None for any other."""
    if start[4:8] == b"ftyp":
        return "MPEG-4"
    if start[:1] == b"\xff" and start[1:2] and start[1] & 0xF6 == 0xF0:
        return "AAC"
    return next((name for mark, name in _UNREAD.items() if start.startswith(mark)), None)


def begins_mp3(data: bytes) -> bool:
    """Whether two frames of MP3, one after another, are at the beginning."""
    first = mp3_frame_bytes(data[:4])
    return bool(first) and mp3_frame_bytes(data[first : first + 4]) > 0


def mp3_frame_bytes(header: bytes) -> int:
    """The length of a frame of MPEG layer III from its first four bytes; 0 where these begin none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return 0
    hertz = _HERTZ[rate] // (1 if version == 3 else 2 if version == 2 else 4)
    if version == 3:
        return 144_000 * _KILOBITS[0][bits] // hertz + (header[2] >> 1 & 1)
    return 72_000 * _KILOBITS[1][bits] // hertz + (header[2] >> 1 & 1)
