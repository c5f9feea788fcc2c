"""Tensors of the Open Inference Protocol (version 2, with binary data) as raw inputs, and results as tensors.

Source: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and Triton's extension of
binary tensor data.
"""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field

from sensorium.serve.arrays import Pixels, Waveform
from sensorium.serve.messages import Raw, RemoteError
from sensorium.serve.request_body import check_count, file_of_base64

RATE = "sample_rate"  # parameter of samples, hertz
_DTYPES = {"UINT8": np.uint8, "FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_}
_Dimension = Annotated[int, Field(ge=0, le=2**31)]
_LOWEST_RATE, _HIGHEST_RATE = 1000, 1_000_000  # hertz


class Tensor(BaseModel):
    """One input. data: its values row by row, nested or flat; None where they follow the JSON."""

    name: Annotated[str, Field(max_length=200)]
    shape: Annotated[list[_Dimension], Field(max_length=8)]
    datatype: Annotated[str, Field(max_length=20)]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class Wanted(BaseModel):
    """One output that is asked for."""

    name: Annotated[str, Field(max_length=200)]
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """POST /v2/models/NAME/infer. parameters: options of the prediction are among them."""

    id: Annotated[str, Field(max_length=1000)] | None = None
    inputs: Annotated[list[Tensor], Field(min_length=1, max_length=1)]
    outputs: Annotated[list[Wanted], Field(max_length=64)] = []
    parameters: dict[str, Any] = {}


def raws_of(tensor: Tensor, binary: bytes, kind: str, *, most: int, rate: Any = None) -> list[Raw]:
    """The raw inputs in a tensor, at most so many: BYTES (B) of texts or files; UINT8 (B, H, W) or (B, H, W, C) of
    pixels; FP32 (B, N) of samples. rate: the parameter sample_rate of the request, where the tensor has none. Raises
    RemoteError.
    """
    if tensor.data is not None and binary:
        raise RemoteError(400, f"{tensor.name} has data in the JSON and behind it; send one of them.")
    check_count(math.prod(tensor.shape[:1] if tensor.datatype in ("UINT8", "FP32") else tensor.shape), most)
    if tensor.datatype == "BYTES":
        return _of_bytes(tensor, binary, kind)
    if kind == "image" and tensor.datatype == "UINT8" and len(tensor.shape) in (3, 4):
        return [Raw(_pixels(pixels), f"image {row}") for row, pixels in enumerate(_array(tensor, binary))]
    if kind == "audio" and tensor.datatype == "FP32" and len(tensor.shape) == 2:
        rate = tensor.parameters.get(RATE, rate)
        if not isinstance(rate, int) or isinstance(rate, bool) or not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            raise RemoteError(400, "Samples need the parameter sample_rate, their rate in hertz.")
        return [Raw(Waveform(samples, rate), f"recording {row}") for row, samples in enumerate(_array(tensor, binary))]
    raise RemoteError(400, f"{tensor.datatype} of shape {tensor.shape}: this model takes {_taken(kind)}.")


def _taken(kind: str) -> str:
    numbers = {"image": ", or UINT8 of shape [B, H, W, C]", "audio": ", or FP32 of shape [B, N] with sample_rate"}
    return f"BYTES of shape [B]{numbers.get(kind, '')}"


def _of_bytes(tensor: Tensor, binary: bytes, kind: str) -> list[Raw]:
    count, is_file = math.prod(tensor.shape), kind in ("image", "audio")
    name = {"image": "image", "audio": "recording"}.get(kind, "text")
    if tensor.data is not None:
        texts = _flat(tensor.data)
        if len(texts) != count or not all(isinstance(text, str) for text in texts):
            raise _unlike(tensor)
        names = [f"{name} {row}" for row in range(count)]
        return [file_of_base64(t, n, kind) if is_file else Raw(t, n) for t, n in zip(texts, names, strict=True)]
    found: list[Raw] = []
    place = 0
    while place < len(binary) and len(found) < count:
        if place + 4 > len(binary):
            raise _unlike(tensor)
        (size,) = struct.unpack_from("<I", binary, place)
        content = binary[place + 4 : place + 4 + size]
        if len(content) != size:
            raise _unlike(tensor)
        found.append(Raw(content, f"{name} {len(found)}"))
        place += 4 + size
    if place != len(binary) or len(found) != count:
        raise _unlike(tensor)
    return found


def _array(tensor: Tensor, binary: bytes) -> np.ndarray:
    dtype = _DTYPES[tensor.datatype]
    try:
        if tensor.data is None:
            return np.frombuffer(binary, np.dtype(dtype).newbyteorder("<")).reshape(tensor.shape)
        values = _flat(tensor.data)
        # NumPy would cut fractions off, read numbers in texts, and take null for NaN.
        if not {type(value) for value in values} <= ({int} if tensor.datatype == "UINT8" else {int, float}):
            raise _unlike(tensor)
        return np.array(values, dtype).reshape(tensor.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise _unlike(tensor) from error


def _flat(data: Sequence[Any]) -> list[Any]:
    """The values of nested lists, without recursion: they come from anybody."""
    found: list[Any] = []
    waiting = [iter(data)]
    while waiting:
        for one in waiting[-1]:
            if isinstance(one, list):
                waiting.append(iter(one))
                break
            found.append(one)
        else:
            waiting.pop()
    return found


def _unlike(tensor: Tensor) -> RemoteError:
    return RemoteError(400, f"The data of {tensor.name} is not {tensor.datatype} of shape {tensor.shape}.")


def _pixels(array: np.ndarray) -> Pixels:
    if not array.size or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise RemoteError(400, f"An image of shape {list(array.shape)}: give [H, W] or [H, W, C] with C 1, 3 or 4.")
    return Pixels(array)


def output_tensor(name: str, datatype: str, rows: Sequence[Any], *, binary: bool) -> tuple[dict[str, Any], bytes]:
    """A tensor of results as JSON says it, and the binary data that follows where that was asked for.

    rows: of each input its value, or values of equal number.
    """
    lists = all(isinstance(row, list | tuple) for row in rows)
    shape = [len(rows), len(rows[0])] if lists else [len(rows)]
    flat = [value for row in rows for value in row] if lists else list(rows)
    about: dict[str, Any] = {"name": name, "datatype": datatype, "shape": shape}
    if not binary:
        return about | {"data": flat}, b""
    if datatype == "BYTES":
        contents = [value.encode("utf-8", errors="replace") for value in flat]
        data = b"".join(struct.pack("<I", len(content)) + content for content in contents)
    else:
        data = np.array(flat, np.dtype(_DTYPES[datatype]).newbyteorder("<")).tobytes()
    return about | {"parameters": {"binary_data_size": len(data)}}, data


def split_body(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """The JSON of a request, and the binary data behind it. header_length: Inference-Header-Content-Length."""
    if header_length is None:
        return body, b""
    is_number = header_length.isascii() and header_length.isdigit() and len(header_length) <= 20
    if not is_number or int(header_length) > len(body):
        raise RemoteError(400, "Inference-Header-Content-Length is no length within the body.")
    return body[: int(header_length)], body[int(header_length) :]


def is_wanted_binary(request: Mapping[str, Any], output: Wanted | None) -> bool:
    """Whether an output goes back as binary data. request: its parameters."""
    if output is not None and "binary_data" in output.parameters:
        return output.parameters["binary_data"] is True
    return request.get("binary_data_output") is True
