"""Raw inputs as the Python API is given them: one or several, paths, arrays, waveforms with a rate, open files."""

from collections.abc import Iterable
from io import IOBase
from numbers import Integral
from os import PathLike
from typing import Any

from sensorium.errors import RequestError


def several(inputs: Any) -> Iterable[Any]:
    """One raw input as a list of it."""
    pair = isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], int | float | Integral)
    plain = isinstance(inputs, str | bytes | bytearray | memoryview | PathLike | IOBase) or hasattr(inputs, "read")
    array = hasattr(inputs, "shape") or hasattr(inputs, "getbbox")
    return [inputs] if pair or plain or array or not isinstance(inputs, Iterable) else inputs


def content(raw: Any) -> Any:
    """The content of an open file; anything else as it is."""
    if not hasattr(raw, "read") or hasattr(raw, "getbbox"):
        return raw
    found = raw.read()
    if not isinstance(found, bytes):
        raise RequestError(f"A file to predict from must be open in binary mode; this {type(raw).__name__} gives text.")
    return found
