"""Files of text as they lie on disk: where they are, in which encoding, and what of them is not text."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from sensorium.data.base import Problem
from sensorium.errors import RequestError

_WRONG_BYTE = re.compile("[\udc80-\udcff]")  # how Python's surrogateescape keeps a byte that is not UTF-8
_PART = 1 << 20  # characters


def text_encoding(path: Path, encoding: str | None = None) -> str:
    """The encoding given, else UTF-16 or UTF-8, as the first bytes say. Raises RequestError for an unknown one."""
    if encoding is not None:
        try:
            b"a".decode(encoding, errors="replace")
        except LookupError as error:
            raise RequestError(
                f"dataset.encoding={encoding} is no encoding that Python knows. Give one such as utf-8 or latin-1."
            ) from error
        name = codecs.lookup(encoding).name
        return "utf-8-sig" if name == "utf-8" else name
    with opened(path) as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def opened(path: Path) -> IO[bytes]:
    """The file's bytes; those inside when it ends in .gz."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def decoded(path: Path, encoding: str, *, newline: str | None = None) -> TextIOWrapper:
    """The file as text. In UTF-8, bytes that are wrong are kept apart, to be found by `wrong_bytes`."""
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return TextIOWrapper(opened(path), encoding=encoding, errors=errors, newline=newline)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Around the reading of a file: a RequestError when it is not in its encoding, or a damaged archive."""
    try:
        yield
    except UnicodeError as error:
        raise RequestError(f"{path} cannot be decoded: {error}.\ndataset.encoding=NAME names its encoding.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RequestError(f"{path} is not a complete .gz file ({error}).\nFetch or pack it again.") from error


def wrong_bytes(text: str) -> str | None:
    """What to say of a text that was not UTF-8; None for a valid one."""
    if text.isascii() or (found := _WRONG_BYTE.search(text)) is None:
        return None
    byte = ord(found.group()) - 0xDC00
    return f"not UTF-8 (byte {byte:#04x}); if it is in another encoding, dataset.encoding=NAME says so (latin-1 ...)"


def read_lines(path: Path, *, encoding: str | None = None) -> Iterator[str]:
    """The lines of a file, plain or .gz, without their ends. Only line feeds end a line; a return before one goes too.

    Raises RequestError for a damaged archive, and for a file that is not in its encoding (but see `decoded`).
    """
    with readable(path), decoded(path, text_encoding(path, encoding), newline="\n") as file:
        for line in file:
            yield line.removesuffix("\n").removesuffix("\r")


def read_pieces(path: Path, *, encoding: str | None = None) -> Iterator[str | Problem]:
    """The text of a file, plain or .gz, a part at a time, every line end made a line feed; or the one problem it has.

    The file is read twice, so that a problem at its end comes before anything of it.
    """
    try:
        chosen = text_encoding(path, encoding)
        for _ in _parts(path, chosen):
            pass
    except UnicodeError as error:
        yield Problem(str(path), f"not {chosen.removesuffix('-sig')} text ({getattr(error, 'reason', error)})")
    except (OSError, EOFError, zlib.error) as error:
        yield Problem(str(path), f"cannot be read ({getattr(error, 'strerror', None) or error})")
    else:
        yield from _parts(path, chosen)


def _parts(path: Path, encoding: str) -> Iterator[str]:
    with opened(path) as file, TextIOWrapper(file, encoding=encoding) as text:
        while part := text.read(_PART):
            yield part
