"""Raw inputs of `predict`: files, folders, globs, lines of text, or standard input."""

import codecs
import errno
import glob
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sensorium.audio.formats import START, read_format, unread_format
from sensorium.audio.read import list_sounds
from sensorium.errors import RequestError, cut
from sensorium.files import exists, is_file, is_folder, meant, not_a_file, user_path
from sensorium.tasks.text_inputs import UnreadableText
from sensorium.tasks.text_sources import TextReading
from sensorium.vision.decode import list_images


def texts(given: Any, text: str | None, reading: TextReading | None = None) -> Iterator[str | UnreadableText]:
    """The texts that are meant: one given as it is, or those in files, or in the lines of standard input (-).

    given: a file, a glob, or a list of these. reading: how files are read; see `TextReading.texts`.
    """
    if text is not None:
        if given is not None:
            raise RequestError("Give input= or text=, not both.")
        return iter([str(text)])
    reading = reading or TextReading()
    if given == "-":
        kind = _file_kind(_piped_start())
        if kind is not None and kind not in _PACKED:
            raise RequestError(f"input=- takes texts, one a line; standard input is {kind}.")
        return reading.lines(sys.stdin.buffer)
    return _texts_of(_listed(given, _text_files), reading)


def _texts_of(paths: list[Path], reading: TextReading) -> Iterator[str | UnreadableText]:
    for path in paths:
        if not exists(path):  # one of several
            yield UnreadableText(str(path), os.strerror(errno.ENOENT).lower())
            continue
        if path.is_file() and not os.access(path, os.R_OK):
            raise RequestError(f"input={path} cannot be opened: Permission denied.")
        yield from reading.texts(path)


def _text_files(item: str) -> list[Path]:
    path = user_path(item)
    if is_folder(path):
        raise RequestError(f"input={item} is a folder. Give a file with one text a line, or - for standard input.")
    if _is_missing(item):
        raise RequestError(
            f"input={cut(item)}: there is no such file.{_hint(item)}\nTo pass a text itself, use text=..."
        )
    return _expand(item, lambda folder: [], "texts")


def image_files(given: Any) -> Iterator[Path]:
    """The image files that are meant: see `_files`."""
    return _files(given, list_images, "images")


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# How files begin that are not paths: images, and packed ones.
_MARKS = {
    b"\x89PNG\r\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"II*\0": "TIFF",
    b"MM\0*": "TIFF", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"P4\n": "PBM", b"P5\n": "PGM",
    b"P6\n": "PPM",
}  # fmt: skip
_PACKED = ("gzip", "zip")  # which readers of text know by themselves


class Piped(bytes):
    """The content of a recording that came on standard input."""


def audio_files(given: Any) -> Iterator[Path | Piped]:
    """The audio files that are meant: see `_files`. Those in known formats that are not read are among them.

    On standard input (-) is one recording, known by how it begins, or paths.
    """
    if given == "-" and piped_format() is not None:
        return iter([Piped(sys.stdin.buffer.read())])
    return _files(given, partial(list_sounds, unread=True), "audio files")


def piped_format() -> str | None:
    """The format of the recording that waits on standard input; None where no known one begins there."""
    start = _piped_start()
    if _is_text(start) or start[8:12] == b"WEBP":  # paths may begin like a format: "ID3/a.wav"
        return None
    return read_format(start) or unread_format(start)


def _piped_start() -> bytes:
    """What waits on standard input, without taking it away; nothing where a program put a plain stream there."""
    peek = getattr(sys.stdin.buffer, "peek", None)
    return bytes(peek(START)[:START]) if peek else b""


def _is_text(start: bytes) -> bool:
    """Whether bytes may be lines of paths: UTF-8, of which the last character may be cut, without control characters.

    Not so "RIFF", four bytes and "WAVE", which may all be letters.
    """
    if start[:4] in (b"RIFF", b"FORM") and start[8:12] in (b"WAVE", b"AIFF", b"AIFC", b"WEBP"):
        return False
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return _CONTROL.search(text) is None


def _no_paths(start: bytes) -> str | None:
    """What is on standard input instead of paths; None for what may be paths."""
    if known := _file_kind(start):
        return known
    # A path of another encoding has no control characters either.
    first = start.partition(b"\n")[0].decode("latin-1")
    return None if _is_text(start) or not _CONTROL.search(first) else "no text"


def _file_kind(start: bytes) -> str | None:
    """The format of an image, a recording or a packed file that begins like that; None for text and the unknown."""
    if _is_text(start):
        return None
    if start[8:12] == b"WEBP":
        return "WebP"
    if start[:2] == b"BM" and start[6:10] == bytes(4):
        return "BMP"
    known = next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    return known or read_format(start) or unread_format(start)


def _files(given: Any, files_in: Callable[[Path], list[Path]], what: str) -> Iterator[Path]:
    """A file, folder, glob, list of these, or - for paths on standard input.

    An empty folder, a glob without matches or a missing file is a RequestError, before any is read; of several inputs
    a missing file is given as it is, like a damaged one, so that the others are predicted.
    """
    if given == "-":
        return _piped_paths(what)
    return iter(_listed(given, lambda item: _expand(item, files_in, what)))


def _listed(given: Any, expand: Callable[[str], list[Path]]) -> list[Path]:
    """The paths of one input or of several, of which some may be missing."""
    items = [str(item) for item in given] if isinstance(given, list) else [str(given)]
    some = not all(map(_is_missing, items))
    return [path for item in items for path in ([user_path(item)] if some and _is_missing(item) else expand(item))]


def _is_missing(item: str) -> bool:
    return not exists(user_path(item)) and not any(sign in item for sign in "*?[")


def _hint(item: str) -> str:
    """What may have been meant by an input that is not there: a name like it, or several."""
    if any(exists(user_path(part)) for part in item.split(",")):
        return f" Several inputs are a list: input=[{cut(item)}]"
    return meant(user_path(item))


def _piped_paths(what: str) -> Iterator[Path]:
    """The lines of standard input, each when it comes."""
    if found := _no_paths(_piped_start()):
        raise RequestError(
            f"input=- takes paths of {what}, one a line; standard input is {found}."
            + ("" if found in ("no text", *_PACKED) else "\ninput=/dev/stdin reads one file from there.")
        )
    for line in sys.stdin.buffer:
        if b"\0" in line:
            raise RequestError(f"input=- takes paths of {what}, one a line; standard input is not text.")
        if line.strip():
            yield Path(os.fsdecode(line.rstrip(b"\r\n")))


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)


def _expand(item: str, files_in: Callable[[Path], list[Path]], what: str) -> list[Path]:
    path = user_path(item)
    if is_folder(path):
        files = files_in(path)
        if not files:
            raise RequestError(f"input={item}: the folder holds no {what}.")
        return files
    if wrong := not_a_file(path, pipe=True):
        raise RequestError(f"input={item} is {wrong}; give a file{', a folder' if what != 'texts' else ''} or a glob.")
    if exists(path):
        return [path]
    if any(sign in item for sign in "*?["):
        files = [Path(name) for name in sorted(_glob(str(path))) if is_file(Path(name))]
        if not files:
            raise RequestError(f"input={cut(item)}: no file matches. Quote it to keep the shell from expanding it.")
        return files
    raise RequestError(f"input={cut(item)}: there is no such file or folder.{_hint(item)}")
