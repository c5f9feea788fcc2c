"""Text files: compressed or not, their encoding, and bytes that are not text.

One reader for training and prediction. A byte that is not text in the file's encoding is kept apart as U+DC00 plus
its value, to be found and named by `wrong_bytes`. key, everywhere: the setting that names the encoding, for errors;
None where there is none, and UTF-8 or a byte order mark is needed.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, Any

from sensorium.data.problem import Problem
from sensorium.errors import RequestError
from sensorium.files import not_a_file, opened_once

KEY = "dataset.encoding"
_WRONG_BYTE = re.compile("[\udc00-\udcff]")
_KEEP = "sensorium-keep"  # how decoders call `_kept`
_PART = 1 << 20  # characters
_START = 4096  # bytes that tell an encoding
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
_PACKED = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
# Formats that hold text and are none: of a PDF without compression every byte is ASCII.
_DOCUMENTS = {b"%PDF-": "a PDF", b"{\\rtf": "an RTF document", b"\xd0\xcf\x11\xe0": "an old Office document"}


def _kept(error: UnicodeError) -> tuple[str, int]:
    """The bytes that cannot be decoded, each as a surrogate, which no decoded text has."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_KEEP, _kept)


class NotText(RequestError):
    """A file that holds no text in the encoding that is asked for, whatever its lines are."""


class _Unpacked(gzip.GzipFile):
    """A .gz file that closes the packed one with itself."""

    def __init__(self, packed: IO[bytes]) -> None:
        super().__init__(fileobj=packed, mode="rb")
        self._packed_file = packed

    def close(self) -> None:
        super().close()
        self._packed_file.close()


def opened(source: Path | IO[bytes]) -> Any:
    """The bytes of a file, or of an open stream such as standard input; those inside when it is packed with gzip.

    Raises NotText for other packed files, and for devices.
    """
    if isinstance(source, Path) and (wrong := not_a_file(source, pipe=True)):
        raise NotText(f"{source} is {wrong}, and no file of text.")
    file: Any = opened_once(source) if isinstance(source, Path) else source
    if not hasattr(file, "peek"):
        file = BufferedReader(file)
    start = file.peek(_START)[:_START]
    if start.startswith(_GZIP) or (start and isinstance(source, Path) and source.suffix == ".gz"):
        return _Unpacked(file)
    for mark, name in _PACKED.items():
        if start.startswith(mark):
            file.close()
            raise NotText(f"{_name(source)} is packed with {name}, which is not read here. Unpack it first.")
    for mark, name in _DOCUMENTS.items():
        if start.startswith(mark):
            file.close()
            raise NotText(f"{_name(source)} is {name}, which is not read here. Save it as plain text first.")
    return file


def is_encoding(name: str) -> bool:
    """Whether Python knows an encoding of this name that makes text of bytes."""
    try:
        b"a".decode(name, errors="replace")
    except (LookupError, ValueError):
        return False
    return True


def has_mark(path: Path) -> bool:
    """Whether a file, plain or packed, begins with a byte order mark."""
    with readable(path), opened(path) as file:
        start = file.peek(_START)
    return any(start.startswith(mark) for mark, _ in _MARKS)


def decoded(
    source: Path | IO[bytes], encoding: str | None, *, newline: str | None = None, key: str | None = KEY
) -> TextIOWrapper:
    """The text in a file or stream, packed or not. encoding: None for UTF-8, or what its byte order mark says.

    Raises RequestError for an unknown encoding, NotText for one that the file contradicts. Wrong bytes are kept
    apart, to be found by `wrong_bytes`.
    """
    file = opened(source)
    try:
        chosen = _encoding(_name(source), file.peek(_START)[:_START], encoding, key)
    except BaseException:
        file.close()
        raise
    return TextIOWrapper(file, encoding=chosen, errors=_KEEP, newline=newline)


def _encoding(name: str, start: bytes, given: str | None, key: str | None) -> str:
    """By its byte order mark, else what is given, else UTF-8."""
    marked = next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)
    zeros = _by_zeros(start)
    if given is not None:
        chosen = _known(given, key)
        if marked is None and zeros is not None and chosen != zeros:
            if zeros.startswith(chosen) and chosen in ("utf-16", "utf-32"):  # without a mark neither says its side
                return zeros
            raise NotText(f"{name} has the zero bytes of {zeros}, and {key}={given} says otherwise. Try {key}={zeros}.")
        if marked is None or chosen.startswith(marked.removesuffix("-sig")):
            return marked or chosen
        mark = marked.removesuffix("-sig").upper()
        raise NotText(f"{name} begins with the byte order mark of {mark}, and {key}={given} contradicts it.")
    if marked is None and zeros is not None:
        remedy = f"{key}={zeros} reads it as such." if key else _convert("".join(zeros.rsplit("-", 1)))
        kind = zeros.upper()[:6]
        raise NotText(
            f"{name} is not UTF-8 text: it is full of zero bytes, as {kind} without a byte order mark is.\n{remedy}"
        )
    return marked or "utf-8-sig"


def _by_zeros(start: bytes) -> str | None:
    """The encoding that the zero bytes of a file's first bytes are of, without a mark; None where they are few."""
    if start.count(0) * 4 <= len(start):
        return None
    places = [start[place::4].count(0) for place in range(4)]
    if sum(places) * 8 > len(start) * 5:  # UTF-32 has more than half of them
        return "utf-32-le" if places[3] >= places[0] else "utf-32-be"
    return "utf-16-le" if places[1] + places[3] >= places[0] + places[2] else "utf-16-be"


def _known(given: str, key: str | None) -> str:
    """Python's name of an encoding. Raises RequestError for an unknown one, and for one that makes no text of bytes."""
    if not is_encoding(given):
        raise RequestError(f"{key}={given} is no encoding that Python knows. Give one such as utf-8 or latin-1.")
    name = codecs.lookup(given).name
    return "utf-8-sig" if name == "utf-8" else name


@contextmanager
def readable(source: Path | str, *, key: str | None = KEY) -> Iterator[None]:
    """Around the reading of a file: a RequestError when it is not in its encoding, damaged or not readable."""
    try:
        yield
    except UnicodeError as error:
        raise RequestError(
            f"{source} cannot be decoded: {error}.\n" + (f"{key}=NAME names its encoding." if key else _convert("NAME"))
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RequestError(f"{source} is not a complete .gz file ({error}).\nFetch or pack it again.") from error
    except OSError as error:
        raise RequestError(f"{source} cannot be read: {error.strerror or error}.") from error


def wrong_bytes(text: str, *, encoding: str = "utf-8", key: str | None = KEY) -> str | None:
    """What to say of a text that has bytes which are none in its encoding; None for a valid one."""
    if text.isascii() or (found := _WRONG_BYTE.search(text)) is None:
        return None
    byte, name = ord(found.group()) - 0xDC00, encoding.removesuffix("-sig").upper()
    remedy = f"if it is in another encoding, {key}=NAME says so (latin-1 ...)" if key else _convert("latin1")
    return f"not {name} (byte {byte:#04x}); {remedy}"


def _convert(encoding: str) -> str:
    """How to make UTF-8 of a file where no key names its encoding."""
    return f"make it UTF-8 first: iconv -f {encoding} -t utf-8 FILE"


def read_lines(source: Path | IO[bytes], *, encoding: str | None = None, key: str | None = KEY) -> Iterator[str]:
    """The lines of a file, plain or packed, without their ends: a line feed, and a return before it. A return alone is
    text, unless the file ends with one and has no line feed at all: such lines are those of old Macs.

    Raises RequestError for a damaged archive and for an encoding that cannot be. Wrong bytes stay: see `wrong_bytes`.
    """
    first = True
    with readable(_name(source), key=key), decoded(source, encoding, newline="\n", key=key) as file:
        for line in file:
            if line.endswith("\r"):  # the file's last line; the first one too where it has no line feed
                yield from line.removesuffix("\r").split("\r") if first else [line.removesuffix("\r")]
            else:
                yield line.removesuffix("\n").removesuffix("\r")
            first = False


def name_lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a list of names that are not empty, without blanks around them, each behind its number from 1 on.

    Raises RequestError for a file that is not UTF-8 text.
    """
    found = []
    for number, line in enumerate(read_lines(path, key=None), start=1):
        if what := wrong_bytes(line, key=None):
            raise RequestError(f"{path}:{number}: {what}")
        if line.strip():
            found.append((number, line.strip()))
    return found


def _name(source: Path | IO[bytes]) -> str:
    return str(source) if isinstance(source, Path) else "standard input"


def read_pieces(path: Path, *, encoding: str | None = None, key: str | None = KEY) -> Iterator[str | Problem]:
    """The text of a file, plain or packed, a part at a time, with line feeds as line ends; or the one problem it has.

    The file is read twice, so that a problem at its end comes before anything of it.
    """
    try:
        problem = _first_problem(path, encoding, key)
    except NotText as error:
        problem = Problem(str(path), " ".join(str(error).removeprefix(f"{path} ").splitlines()))
    except UnicodeError as error:
        problem = Problem(str(path), f"cannot be decoded ({error})")
    except (OSError, EOFError, zlib.error) as error:
        problem = Problem(str(path), f"cannot be read ({getattr(error, 'strerror', None) or error})")
    if problem is not None:
        yield problem
        return
    with decoded(path, encoding, key=key) as text:
        while part := text.read(_PART):
            yield part


def _first_problem(path: Path, encoding: str | None, key: str | None) -> Problem | None:
    """Where a file is not in its encoding."""
    line = 1
    with decoded(path, encoding, key=key) as text:
        while part := text.read(_PART):
            if what := wrong_bytes(part, encoding=text.encoding, key=key):
                found = _WRONG_BYTE.search(part)
                assert found is not None
                return Problem(f"{path}:{line + part.count(chr(10), 0, found.start())}", what)
            line += part.count("\n")
    return None
