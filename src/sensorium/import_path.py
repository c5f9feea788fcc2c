"""The user's own modules in the working directory: found when one is named, and hiding none that is installed.

A file psutil.py or a folder wandb/ there is the user's own, also where no package of that name is installed and some
library tries to import it. `python -m sensorium` searches the working directory first. This file imports as little as
can be, for what it imports may still be hidden.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def leave_working_directory() -> None:
    """Makes Python search only what is installed, until `find_named` is asked for a module of the working directory."""
    sys.path[:] = _installed()


def find_named(target: str) -> None:
    """Makes Python search the working directory last, if the module of a dotted path that a person wrote is there and
    nowhere else. From then on the other modules there are found too: it may import them.
    """
    name, folder = target.partition(".")[0], _working_directory()
    if not name.isidentifier() or folder is None or folder in sys.path or name in sys.modules:
        return
    own = os.path.join(folder, name)  # noqa: PTH118 (pathlib may be hidden)
    if (os.path.isdir(own) or os.path.isfile(f"{own}.py")) and importlib.util.find_spec(name) is None:  # noqa: PTH112, PTH113
        sys.path.append(folder)
        importlib.invalidate_caches()


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
