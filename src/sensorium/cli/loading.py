"""A line on the terminal while a verb is imported, which takes seconds; erased when that is done."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_ERASE = "\r\x1b[2K"  # to the start of the line, and clear it


@contextmanager
def loading() -> Iterator[None]:
    """Shows "loading ..." on standard error if that is a terminal; nothing where a program reads along."""
    shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and os.environ.get("RANK", "0") == "0"
    if shown:
        print("loading ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print(_ERASE, end="", file=sys.stderr, flush=True)
