"""Files written whole or not at all: readers never see half a file, and a crash leaves the old one."""

import csv
import io
import json
import math
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sensorium.errors import nearest


def visible(name: str) -> bool:
    """Whether a file or folder name is a person's own, not left by a system or a file browser."""
    return not name.startswith(".") and name.lower() not in ("thumbs.db", "desktop.ini", "__macosx")


def walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """Every file that a person put into a folder and its sub-folders, by name, and the links that lead back up.

    Links are followed, but not one to a folder it lies in. Hidden entries, and what file browsers leave, are skipped.
    """
    found: list[str] = []
    loops: list[Path] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if visible(name)]
        for name in [name for name in folders if os.path.islink(os.path.join(parent, name))]:  # noqa: PTH114, PTH118
            inner = Path(parent, name)
            if Path(parent).resolve().is_relative_to(inner.resolve()):
                folders.remove(name)
                loops.append(inner)
        found += [os.path.join(parent, name) for name in files if visible(name)]  # noqa: PTH118 (1.3 million files)
    return [Path(path) for path in sorted(found)], sorted(loops)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends, and vanishes when the block raises.

    Folders on the way are made. The temporary file lies in the same folder, because a rename is atomic only inside
    one file system.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Text as UTF-8, bytes as they are."""
    with replacing(path) as file:
        # A lone surrogate (a file name that is not UTF-8) becomes \udcXX, which is how JSON spells it.
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", errors="backslashreplace"))


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Rows of cells, the first row being the column names. None and NaN become an empty cell, a bool true or false."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    # A file name that is not UTF-8 on disk is written back as the bytes it has.
    write_atomically(path, text.getvalue().encode("utf-8", errors="surrogateescape"))


def write_json(path: Path, value: Any) -> None:
    """Indented JSON. NaN and infinity, which JSON does not have, raise ValueError."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """One JSON value a line. NaN and infinity, which JSON does not have, raise ValueError."""
    lines = (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)
    write_atomically(path, "".join(lines))


def meant(path: Path) -> str:
    """ " Did you mean NAME?", with the name in the same folder that is nearest to one that is not there, or ""."""
    names = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
    guess = nearest(path.name, names)
    return f" Did you mean {path.parent / guess}?" if guess else ""


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return value
