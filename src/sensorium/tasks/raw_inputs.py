"""Raw inputs of `predict`: files, folders, globs, lines of text, or standard input."""

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sensorium.audio.read import list_sounds
from sensorium.errors import RequestError
from sensorium.files import meant
from sensorium.vision.decode import list_images


def texts(given: Any, text: str | None) -> Iterator[str]:
    """The texts that are meant: one given as it is, or the lines of a file, or of standard input (-).

    A byte order mark is no part of a line, and bytes that are not UTF-8 become U+FFFD.
    """
    if text is not None:
        if given is not None:
            raise RequestError("Give input= or text=, not both.")
        return iter([str(text)])
    if given == "-":
        return _lines(sys.stdin.buffer)
    path = Path(os.path.expanduser(str(given)))  # noqa: PTH111 (Path.expanduser fails for an unknown user)
    if path.is_dir():
        raise RequestError(f"input={given} is a folder. Give a file with one text a line, or - for standard input.")
    if not path.exists():
        raise RequestError(f"input={given}: there is no such file.{meant(path)}\nFor a text itself say text=...")
    return _file_lines(path)


def _file_lines(path: Path) -> Iterator[str]:
    """The lines of a file, which is open no longer than they are read."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise RequestError(f"input={path} cannot be opened: {error.strerror}.") from error
    with file:
        yield from _lines(file)


def _lines(file: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(file):
        text = line.rstrip(b"\r\n").decode("utf-8", errors="replace")
        yield text.removeprefix("\ufeff") if number == 0 else text


def image_files(given: Any) -> Iterator[Path]:
    """The image files that are meant: see `_files`."""
    return _files(given, list_images, "images")


def audio_files(given: Any) -> Iterator[Path]:
    """The audio files that are meant: see `_files`."""
    return _files(given, list_sounds, "audio files")


def _files(given: Any, files_in: Callable[[Path], list[Path]], what: str) -> Iterator[Path]:
    """A file, folder, glob, list of these, or - for paths on standard input.

    A missing file, an empty folder or a glob without matches is a RequestError, before any is read.
    """
    if given == "-":
        return (Path(line.rstrip("\n")) for line in sys.stdin if line.strip())
    found: list[Path] = []
    for item in given if isinstance(given, list) else [given]:
        found += _expand(str(item), files_in, what)
    return iter(found)


def _glob(pattern: str) -> list[str]:
    return glob.glob(pattern, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)


def _expand(item: str, files_in: Callable[[Path], list[Path]], what: str) -> list[Path]:
    path = Path(os.path.expanduser(item))  # noqa: PTH111 (Path.expanduser fails for an unknown user)
    if path.is_dir():
        files = files_in(path)
        if not files:
            raise RequestError(f"input={item}: the folder holds no {what}.")
        return files
    if path.exists():
        return [path]
    if any(sign in item for sign in "*?["):
        files = [Path(name) for name in sorted(_glob(str(path))) if Path(name).is_file()]
        if not files:
            raise RequestError(f"input={item}: no file matches. Quote it if the shell must leave it alone.")
        return files
    raise RequestError(f"input={item}: there is no such file or folder.{meant(path)}")
