"""Reads files of weights in the format safetensors: a JSON header, then raw tensors; opening one cannot run code.

Format: 8 bytes, little-endian, with the length of the header; the header, {name: {dtype, shape, data_offsets}}, whose
offsets count from its end; the bytes of the tensors. https://github.com/huggingface/safetensors#format
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from sensorium.errors import RequestError

SUFFIX = ".safetensors"
_LONGEST_HEADER = 100_000_000  # bytes, the format's own limit
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Every tensor by name, on the CPU.

    Errors: RequestError for a file that is damaged or truncated, and for a type of number that PyTorch lacks.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            header, start = _header(file, size)
            named = {name: about for name, about in header.items() if name != "__metadata__"}
            return {name: _tensor(file, name, about, start=start, size=size) for name, about in named.items()}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RequestError(f"{path} is not a file of safetensors, or it is damaged or truncated: {error}.") from error


def _header(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header, and where the bytes of the tensors begin."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
        raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
    header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header holds no names")
    return header, 8 + length


def _tensor(file: BinaryIO, name: str, about: Mapping[str, Any], *, start: int, size: int) -> Tensor:
    dtype, shape, (begin, end) = _DTYPES.get(about["dtype"]), about["shape"], about["data_offsets"]
    if dtype is None:
        raise ValueError(f"{name} has numbers of type {about['dtype']}, which are not read")
    if not all(isinstance(number, int) and number >= 0 for number in (*shape, begin, end)):
        raise ValueError(f"{name} has the shape {shape} at {begin} to {end}")
    if end - begin != math.prod(shape) * dtype.itemsize or start + end > size:
        raise ValueError(f"{name} lies at {begin} to {end} of {size - start:,} bytes, which does not fit its shape")
    if begin == end:
        return torch.empty(shape, dtype=dtype)
    file.seek(start + begin)
    return torch.frombuffer(bytearray(file.read(end - begin)), dtype=dtype).reshape(shape)
