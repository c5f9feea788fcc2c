"""Raw inputs of `predict`: files, folders, globs, lines of text, or standard input."""

import glob
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sensorium.audio.formats import START, read_format, unread_format
from sensorium.audio.read import list_sounds
from sensorium.errors import RequestError, cut
from sensorium.files import exists, is_file, is_folder, meant
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
        return reading.lines(sys.stdin.buffer)
    items = given if isinstance(given, list) else [given]
    return _texts_of([path for item in items for path in _text_files(str(item))], reading)


def _texts_of(paths: list[Path], reading: TextReading) -> Iterator[str | UnreadableText]:
    for path in paths:
        if path.is_file() and not os.access(path, os.R_OK):
            raise RequestError(f"input={path} cannot be opened: Permission denied.")
        yield from reading.texts(path)


def _text_files(item: str) -> list[Path]:
    path = Path(os.path.expanduser(item))  # noqa: PTH111 (Path.expanduser fails for an unknown user)
    if is_folder(path):
        raise RequestError(f"input={item} is a folder. Give a file with one text a line, or - for standard input.")
    if not exists(path) and not any(sign in item for sign in "*?["):
        raise RequestError(f"input={cut(item)}: there is no such file.{meant(path)}\nFor a text itself say text=...")
    return _expand(item, lambda folder: [], "texts")


def image_files(given: Any) -> Iterator[Path]:
    """The image files that are meant: see `_files`."""
    return _files(given, list_images, "images")


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
    buffer: Any = sys.stdin.buffer  # a BufferedReader
    start = buffer.peek(START)[:START]
    if b"\0" not in start:  # paths may begin like a format: "ID3/a.wav"
        return None
    return read_format(start) or unread_format(start)


def _files(given: Any, files_in: Callable[[Path], list[Path]], what: str) -> Iterator[Path]:
    """A file, folder, glob, list of these, or - for paths on standard input.

    A missing file, an empty folder or a glob without matches is a RequestError, before any is read.
    """
    if given == "-":
        return _piped_paths(what)
    found: list[Path] = []
    for item in given if isinstance(given, list) else [given]:
        found += _expand(str(item), files_in, what)
    return iter(found)


def _piped_paths(what: str) -> Iterator[Path]:
    """The lines of standard input, each when it comes."""
    for line in sys.stdin.buffer:
        if b"\0" in line:
            raise RequestError(f"input=- takes paths of {what}, one a line; what came on standard input is no text.")
        if line.strip():
            yield Path(os.fsdecode(line.rstrip(b"\r\n")))


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)


def _expand(item: str, files_in: Callable[[Path], list[Path]], what: str) -> list[Path]:
    path = Path(os.path.expanduser(item))  # noqa: PTH111 (Path.expanduser fails for an unknown user)
    if is_folder(path):
        files = files_in(path)
        if not files:
            raise RequestError(f"input={item}: the folder holds no {what}.")
        return files
    if exists(path):
        return [path]
    if any(sign in item for sign in "*?["):
        files = [Path(name) for name in sorted(_glob(str(path))) if is_file(Path(name))]
        if not files:
            raise RequestError(f"input={cut(item)}: no file matches. Quote it if the shell must leave it alone.")
        return files
    raise RequestError(f"input={cut(item)}: there is no such file or folder.{meant(path)}")
