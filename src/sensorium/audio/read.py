"""Audio files of every common format as samples: one channel, one rate, float32 from -1 to 1.

Training, evaluation and prediction all read audio here, so that they get the same samples. Formats are those of
libsndfile, detected by content: WAV, FLAC, OGG, MP3, AIFF, AU and, where it is not compressed, NIST SPHERE.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple, Self

import numpy as np
import soundfile

from sensorium.audio.checks import number
from sensorium.audio.formats import START, unread_format
from sensorium.audio.lengths import Forward, beyond_flac, examined, goes_on, has_no_length, with_length
from sensorium.audio.resample import Rates
from sensorium.errors import RequestError
from sensorium.files import not_a_file, walk
from sensorium.suffixes import AUDIO_SUFFIXES, UNREAD_AUDIO_SUFFIXES

_BLOCK = 1 << 20  # samples of the result made at once
# The length of an MP3 without a header is guessed from its bytes, and a last frame that is cut counts too.
_MP3_TOLERANCE = 2304


Source = Path | str | BytesIO  # a file, or its content in memory


class UnreadableAudio(Exception):
    """A file that is not audio, or a damaged one. The message is the reason, without the file's name."""


class Info(NamedTuple):
    """What the head of a file says. sample_rate: hertz. samples: of each channel."""

    sample_rate: int
    samples: int
    channels: int


class Chunk(NamedTuple):
    """A window of a long recording. start: number of its first sample. samples: (n,) float32."""

    start: int
    samples: np.ndarray


def read(path: Source, *, sample_rate: int, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """The recording as (N,) float32 samples at sample_rate hertz, channels mixed by their mean.

    start, end: seconds; a piece is what the whole would have from round(start * sample_rate) up to the same of end, to
    float32's rounding. What lies past the end of the file is not there.

    Raises UnreadableAudio for a missing, damaged or truncated file, or one that is not audio; RequestError for times
    that are not in order.
    """
    number("start", start, 0.0)
    if end is not None and end < start:
        raise RequestError(f"end is {end} s, which is before start, {start} s.")
    with _Sound(path, sample_rate) as sound:
        first = round(start * sample_rate)
        last = sound.length if end is None else min(round(end * sample_rate), sound.length)
        pieces = [sound.read(begin, min(begin + _BLOCK, last)) for begin in range(first, last, _BLOCK)]
        return pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, np.float32), *pieces])


def probe(path: Source) -> Info:
    """Rate, length and channels from the head of the file. Raises UnreadableAudio."""
    with _opened(path, decode=False)[0] as file:
        return Info(file.samplerate, file.frames, file.channels)


def chunks(path: Source, *, sample_rate: int, seconds: float, overlap: float) -> Iterator[Chunk]:
    """Windows of `seconds`, each beginning `overlap` seconds before the end of the last one; the last may be shorter.

    Only one window is in memory. Each is, to float32's rounding, that piece of `read`. Raises as `read` does, and
    RequestError where windows would not get on.
    """
    size, shared = round(seconds * sample_rate), round(overlap * sample_rate)
    if not 0 <= shared < size:
        raise RequestError(f"overlap is {overlap} s: give at least 0 and less than seconds, {seconds}.")
    with _Sound(path, sample_rate) as sound:
        first = 0
        while True:
            piece = sound.read(first, first + size)
            if len(piece) or not first:
                yield Chunk(first, piece)
            if first + size >= sound.length:
                return
            first += size - shared


def decode_pcm(data: bytes) -> np.ndarray:
    """Raw audio, 16-bit little-endian samples of one channel, as (N,) float32.

    Raises RequestError when the last sample is only half there.
    """
    if len(data) % 2:
        raise RequestError(f"{len(data)} bytes of raw audio end inside a sample: pass whole samples of 2 bytes.")
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768


def list_sounds(folder: Path, *, unread: bool = False) -> list[Path]:
    """Every audio file in a folder and its sub-folders, sorted by name.

    Told by suffix, in upper or lower case. Hidden files and folders, and what file browsers leave behind, are ignored.
    unread: those in known formats that are not read too, to be rejected by name.
    """
    suffixes = (*AUDIO_SUFFIXES, *UNREAD_AUDIO_SUFFIXES) if unread else AUDIO_SUFFIXES
    return [path for path in walk(folder)[0] if path.suffix.lower() in suffixes]


class _Sound:
    """An open file that gives any piece of itself as one channel at sample_rate."""

    def __init__(self, path: Source, sample_rate: int) -> None:
        self._file, self._exact = _opened(path)
        self._rates = Rates(self._file.samplerate, sample_rate)
        self._frames = self._file.frames
        self._last = (0, np.empty(0, np.float32))  # where what was read last begins, and its samples
        if self._file.format == "FLAC" and (wrong := beyond_flac(path, self._file)):
            self._file.close()
            raise UnreadableAudio(wrong)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def length(self) -> int:
        """Samples at the new rate."""
        return self._rates.length(self._frames)

    def read(self, first: int, last: int) -> np.ndarray:
        """The samples [first, last) of the whole, or fewer at its end."""
        if self._rates.step == self._rates.gives:
            return self._source(first, last)
        begin, end = self._rates.needed(first, last)
        samples = self._source(max(begin, 0), end)
        # Before the file is silence, of which the filter makes silence: it need not be there.
        skipped = max(begin, 0) // self._rates.step * self._rates.gives
        return self._rates.resample(samples)[first - skipped : min(last, self.length) - skipped]

    def _source(self, begin: int, end: int) -> np.ndarray:
        """(N,) float32 at the file's own rate, from `begin` to `end` or the end of the file."""
        end = min(end, self._frames)
        if begin >= end:
            return np.empty(0, np.float32)
        if self._exact:
            return self._decoded(begin, end)
        # Read on from the last place, or from the beginning: a seek would land somewhere else.
        first, held = self._last
        if begin < first:
            first, held = 0, held[:0]
            self._file.seek(0)
        place = first + len(held)
        kept = [held[begin - first :]]
        while place < end:
            piece = self._decoded(place, min(place + _BLOCK, end))
            kept.append(piece[max(0, begin - place) :])
            if not len(piece):
                break
            place += len(piece)
        samples = np.concatenate(kept)
        self._last = (begin, samples)
        return samples[: max(0, end - begin)]

    def _decoded(self, begin: int, end: int) -> np.ndarray:
        """As `_source`, of channels at the file's place where that cannot be chosen."""
        try:
            if self._exact and self._file.tell() != begin:
                self._file.seek(begin)
            samples = self._file.read(end - begin, dtype="float32", always_2d=True)  # (N, C)
        except soundfile.SoundFileError as error:
            raise UnreadableAudio(f"damaged after {begin / self._file.samplerate:.1f} s: {_reason(error)}") from error
        if len(samples) < end - begin:
            there = begin + len(samples)
            if self._file.format != "MP3" or self._frames - there > _MP3_TOLERANCE:
                raise UnreadableAudio(f"truncated: {there:,} of {self._frames:,} samples present")
            self._frames = there
        return samples[:, 0].copy() if samples.shape[1] == 1 else samples.mean(axis=1)


def _opened(path: Source, *, decode: bool = True) -> tuple[soundfile.SoundFile, bool]:
    """The file, its header read and compared with what is there, and whether any place in it can be sought.

    decode: whether its samples will be read. Raises UnreadableAudio.
    """
    try:
        size = _size(path)
        if not size:
            wrong = None if isinstance(path, BytesIO) else not_a_file(path)
            raise UnreadableAudio(f"it is {wrong}" if wrong else "the file is empty")
        with _content(path) as content:
            found = examined(content, size, inside=decode)
        if found.wrong:
            raise UnreadableAudio(_with_remedy(path, found.wrong))
        # soundfile seeks after each read where it may.
        file = (soundfile.SoundFile if found.exact else Forward)(found.content or path)
        exact = found.exact and file.seekable()  # in some codecs, such as GSM 6.10, no place can be sought
        if has_no_length(file):
            file.close()
            file = soundfile.SoundFile(with_length(path))
    except OSError as error:
        raise UnreadableAudio((error.strerror or str(error)).lower()) from error
    except soundfile.SoundFileError as error:
        raise UnreadableAudio(_known(path) or f"not readable audio: {_reason(error)}") from error
    except ValueError as error:  # a path with a character that no path has
        raise UnreadableAudio(str(error)) from error
    except TypeError as error:  # a name that ends in .raw
        raise UnreadableAudio("raw samples have no stated sample rate; convert it to WAV") from error
    if found.more:
        file.close()
        remedy = f"; {_convert(path, '-ignore_length 1 ')}" if file.format in ("WAV", "WAVEX") else ""
        raise UnreadableAudio(f"{goes_on(file, f'{found.more:,} bytes')}{remedy}")
    return file, exact


def _with_remedy(path: Source, wrong: str) -> str:
    """What is wrong, and what to do with recordings one after another: in two formats ffmpeg reads all of them."""
    readable = wrong.endswith(("MP3 recordings in one file", "OGG recordings in one file"))
    return f"{wrong}; {_convert(path)}" if readable else wrong


def _known(path: Source) -> str | None:
    """What to do with a recording in a format that is known and not read; None for anything else."""
    with _content(path) as file:
        name = unread_format(file.read(START))
    suffix = "" if isinstance(path, BytesIO) else Path(path).suffix.lower()
    if not name and suffix not in UNREAD_AUDIO_SUFFIXES:
        return None
    return f"{name or suffix} is not read here; {_convert(path)}"


def _convert(path: Source, options: str = "") -> str:
    """The command that makes a WAV file of a recording."""
    given = Path("FILE" if isinstance(path, BytesIO) else path)
    return f"convert it first: ffmpeg {options}-i {shlex.quote(given.name)} {shlex.quote(f'{given.stem}.wav')}"


@contextmanager
def _content(path: Source) -> Iterator[IO[bytes]]:
    """The bytes, from the beginning; a file in memory is set back to where it was."""
    if isinstance(path, BytesIO):
        place = path.tell()
        path.seek(0)
        yield path
        path.seek(place)
    else:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (of 200 small files, a tenth of the time)
            yield file


def _size(path: Source) -> int:
    """Bytes; a file in memory is set to its beginning."""
    if isinstance(path, BytesIO):
        path.seek(0)
        return path.getbuffer().nbytes
    return os.stat(path).st_size  # noqa: PTH116 (half the time of a new Path)


def _reason(error: Exception) -> str:
    said = getattr(error, "error_string", None) or str(error)
    return said.removeprefix("Error : ").rstrip(". ").lower()
