"""Files written atomically: readers never see half a file, and a crash leaves the old one."""

import codecs
import errno
import fcntl
import json
import math
import os
import re
import secrets
import select
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sensorium.errors import RequestError, RunError, nearest

_WAIT = 10  # seconds to wait for a writer of a pipe
STORED = "sensorium-stored"  # for `errors=` when text is written: nothing that a string can hold fails
_DESCRIPTOR = re.compile(r"/dev/(stdout|stderr)|/(?:dev|proc/self)/fd/(\d+)")
_QUOTED = re.compile(r'[",;\t\r\n\0]|^\s|\s$')
# Valid in a JSON string, and yet a terminal would obey them, a program take them for line ends, or UTF-8 not have them.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _stored(error: UnicodeError) -> tuple[str | bytes, int]:
    """A byte of a file name that is not UTF-8 as that byte, other halves of a character as \\udXXX."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    code = ord(error.object[error.start])
    byte = 0xDC80 <= code <= 0xDCFF
    return bytes([code - 0xDC00]) if byte else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}", error.start + 1


codecs.register_error(STORED, _stored)


# As Path's own, which raise for a name that is too long for any file, and for the home of an unknown user.
def exists(path: Path) -> bool:
    """Whether there is such a file or folder."""
    return os.path.exists(path)  # noqa: PTH110


def user_path(name: str | os.PathLike[str]) -> Path:
    """The path with ~ replaced by the home folder. ~USER of an unknown user stays, as a name such as ~copy.png does."""
    return Path(os.path.expanduser(name))  # noqa: PTH111


def is_file(path: Path) -> bool:
    """Whether there is such a file."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether there is such a folder."""
    return os.path.isdir(path)  # noqa: PTH112


def not_a_file(path: Path | str, *, pipe: bool = False) -> str | None:
    """Why what is there cannot be read as a file: "a device", "a socket", "a pipe"; None for a file, a folder, nothing.

    pipe: whether a stream will do, which is read once: a pipe, or standard input.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (half the time of a new Path)
    except (OSError, ValueError):
        return None
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    if pipe and (stat.S_ISFIFO(mode) or str(path) in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")):
        return None
    if stat.S_ISFIFO(mode):
        return "a pipe, which can be read only once"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def opened_once(path: Path) -> BinaryIO:
    """A file, or a pipe, which is open once only: what was written to it would be lost. Raises OSError, also when
    the pipe has no writer.
    """
    if not path.is_fifo():
        return path.open("rb")
    # An open that waits for a writer could wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN | select.POLLHUP)
    if not waiting.poll(1000 * _WAIT):
        os.close(descriptor)
        raise OSError(errno.ETIMEDOUT, f"it is a pipe without a writer (waited {_WAIT} s)")
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb")


def visible(name: str) -> bool:
    """Whether a file or folder name is the user's own, not left by a system or a file browser."""
    return not name.startswith(".") and name.lower() not in ("thumbs.db", "desktop.ini", "__macosx")


def walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """Every file that the user put into a folder and its sub-folders, by name, and the links that lead back up.

    Links are followed, but not one to a folder it lies in. Hidden entries, and what file browsers leave, are skipped.
    Raises RequestError for a whole file system.
    """
    refuse_whole_system(folder)
    found: list[str] = []
    loops: list[Path] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if visible(name)]
        for name in [name for name in folders if os.path.islink(os.path.join(parent, name))]:  # noqa: PTH114, PTH118
            inner = Path(parent, name)
            if leads_back(inner, folder):
                folders.remove(name)
                loops.append(inner)
        found += [os.path.join(parent, name) for name in files if visible(name)]  # noqa: PTH118 (1.3 million files)
    return [Path(path) for path in sorted(found)], sorted(loops)


def refuse_whole_system(folder: Path) -> None:
    """Raises RequestError for / and for what is no folder of files: to look through it would not end."""
    place = folder.resolve()
    if place == Path(place.anchor) or str(place) == "/dev" or place.parts[1:2] in (("proc",), ("sys",)):
        raise RequestError(
            f"{folder} is {'the whole' if len(place.parts) == 1 else 'a'} file system; name a folder in it."
        )


def leads_back(link: Path, top: Path) -> bool:
    """Whether a link below the folder `top` leads to a folder that it was reached through, itself or by other links."""
    target, above = link.resolve(), link.parent
    while not above.resolve().is_relative_to(target):
        if above == top:
            return False
        above = above.parent
    return True


def is_stream(path: str | Path) -> bool:
    """Whether what is written there goes through: a device, a pipe (FIFO), a file descriptor such as /dev/stdout."""
    if _DESCRIPTOR.fullmatch(str(path)):
        return True
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode  # noqa: PTH116 (of a str too)
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    return False


def same_file(one: str | Path, other: str | Path) -> bool:
    """Whether both are there and are one file or folder, by whatever name or link."""
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)  # noqa: PTH121
    return False


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends, and vanishes when the block raises.

    Folders on the way are made. The temporary file lies in the same folder, because a rename is atomic only inside
    one file system; what killed processes left of theirs is removed when a process first writes there. Of a link the
    file that it leads to is replaced; a file that is replaced keeps its permissions. A device or a pipe is written to
    as it is. An OSError, such as that of a full disk, names the file.
    """
    if is_stream(path):
        with _stream(path) as file:
            yield file
        return
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        temporary, file = _temporary_for(target)
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)  # while it is locked
    except OSError as error:
        if error.filename is None and not isinstance(error, BrokenPipeError):
            error.filename = str(path)
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _stream(path: Path) -> BinaryIO:
    """A device or pipe, open to write. A file descriptor is written to from where it is: > FILE is not begun again."""
    found = _DESCRIPTOR.fullmatch(str(path))
    if found is None:
        return path.open("wb")
    return os.fdopen(os.dup({"stdout": 1, "stderr": 2}.get(found[1]) or int(found[2])), "wb")


_TEMPORARY = re.compile(r"\..{1,50}\.[0-9a-f]{8}\.sensorium\.tmp", re.DOTALL)
_swept: set[Path] = set()  # folders, by this process


def _temporary_for(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside this one, locked as long as it is open: whoever finds it unlocked may remove it."""
    while True:
        temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.sensorium.tmp")
        file = temporary.open("xb")
        with suppress(OSError):  # a file system without locks, where no one else can take them for abandoned either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()  # removed by another process before it was locked


def _sweep(folder: Path) -> None:
    """Removes temporary files of processes that have ended, the first time that this process writes in the folder."""
    folder = folder.absolute()
    if folder in _swept:
        return
    _swept.add(folder)
    names: list[str] = []
    with suppress(OSError):  # one may be allowed to write in a folder and not to list it
        names = os.listdir(folder)  # noqa: PTH208 (strings are ten times faster)
    for name in filter(_TEMPORARY.fullmatch, names):
        # Suppressed: gone already, somebody else's, or locked, for whoever writes it lives.
        with suppress(OSError), (folder / name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / name).unlink()


def write_atomically(path: Path, content: bytes | str) -> None:
    """Text as UTF-8, bytes as they are."""
    with replacing(path) as file:
        # A lone surrogate (a file name that is not UTF-8) becomes \udcXX, which is how JSON spells it.
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", errors="backslashreplace"))


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells as CSV (RFC 4180) with line feeds: the one place where it is made (docs/decisions/0030).

    Every reader gives the cells back as they were, a carriage return alone too, which Python's own writer leaves
    unquoted. None and NaN become an empty cell, a bool true or false.
    """
    return "".join(_line([_cell(value) for value in row]) for row in rows)


def _line(cells: list[str]) -> str:
    quoted = ['"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell for cell in cells]
    return (",".join(quoted) if quoted != [""] else '""') + "\n"  # a line without anything is no row


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Rows of cells (`csv_text`), the first row being the column names."""
    write_atomically(path, csv_text(rows).encode("utf-8", errors=STORED))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON that is valid everywhere, and safe on a terminal. NaN and infinity, which it does not have, become null."""
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # a mapping that is no dict, NaN or infinity; most values have neither
        text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def json_value(text: str | bytes) -> Any:
    """What JSON says. Raises ValueError for what is none, and for one that is nested too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deeply") from error


def json_object(path: Path) -> dict[str, Any]:
    """The names and values in a JSON file. Raises RunError for one that cannot be read."""
    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise RunError(f"{path} cannot be read: it has no names with values.")
    return found


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def write_json(path: Path, value: Any) -> None:
    """Indented JSON. NaN and infinity, which JSON does not have, raise ValueError."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """One JSON value a line. NaN and infinity, which JSON does not have, raise ValueError."""
    lines = (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)
    write_atomically(path, "".join(lines))


def meant(path: Path) -> str:
    """ " Did you mean NAME?", with the name in the same folder that is nearest to one that is not there, or ""."""
    names = [file.name for file in path.parent.iterdir()] if is_folder(path.parent) else []
    guess = nearest(path.name, names)
    if guess and nearest(path.stem, [Path(guess).stem]) is None:  # alike in their endings alone
        return ""
    return f" Did you mean {path.parent / guess}?" if guess else ""


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value)
