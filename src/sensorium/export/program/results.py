"""Where results go, and what they replace."""

import argparse
import json
import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from sensorium.export.program.start import Record


def mask_paths(folder: str, inputs: list[str]) -> Iterator[Path]:
    """A PNG for each input; of inputs that share a name, the second ends in _2, and so on."""
    taken = set()
    for given in inputs:
        stem, names = Path(given).stem, count(2)
        name = stem
        while name.lower() in taken:
            name = f"{stem}_{next(names)}"
        taken.add(name.lower())
        yield Path(folder) / f"{name}.png"


def write(path: Path, content: bytes) -> None:
    """A file that is whole or not there; a device or a pipe is written to as it is."""
    target = Path(os.path.realpath(path))  # of a link the file that it leads to
    part = target.with_name(f".{target.name[:50]}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(target)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        if part.exists():
            part.unlink()


def is_same(one: Path, other: Path) -> bool:
    """Whether both are there and are one file."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def unwritable(options: argparse.Namespace) -> str | None:
    """Why results cannot be written where they are to go; None where they can."""
    read = [Path(one) for one in (*options.inputs, options.model)]
    for path in (*(options.masks or ()), *([options.output] if options.output else ())):
        if path.is_dir():
            return f"{path} is a folder"
        if path.parent.is_file():
            return f"{path.parent} is a file, no folder"
        if path.is_file():
            if any(is_same(one, path) for one in read):
                return f"{path} is read by this command; choose another place"
            if not options.overwrite:
                return f"{path} is already there; --overwrite replaces it"
    return None


def line(record: Record) -> str:
    """JSON that is safe on a terminal."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: f"\\u{ord(found.group()):04x}", text) + "\n"
