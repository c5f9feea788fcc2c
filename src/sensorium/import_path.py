"""The user's own modules in the working directory: they can be imported, and hide none that is installed.

`python -m sensorium` searches the working directory first, where a folder datasets/ or wandb/ is the user's data. This
file imports as little as can be, for what it imports may still be hidden.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def working_directory_last() -> None:
    """Makes Python search everything installed before it searches the working directory."""
    if (folder := _working_directory()) is not None:
        sys.path[:] = [*_installed(), folder]


@contextmanager
def without_working_directory() -> Iterator[None]:
    """Makes Python search only what is installed, for as long as the block runs."""
    before = list(sys.path)
    sys.path[:] = _installed()
    try:
        yield
    finally:
        sys.path[:] = before


def _installed() -> list[str]:
    """sys.path without the working directory, under whatever name it stands there."""
    folder = _working_directory()
    here = None if folder is None else os.path.realpath(folder)
    return [entry for entry in sys.path if os.path.realpath(entry or folder or os.curdir) != here]


def _working_directory() -> str | None:
    """None where it has been removed."""
    try:
        return os.getcwd()  # noqa: PTH109 (pathlib may be hidden)
    except FileNotFoundError:
        return None
