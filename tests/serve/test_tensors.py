"""Tensors of the Open Inference Protocol: values that are not what their datatype says are refused, not converted."""

from typing import Any

import pytest

pytest.importorskip("fastapi")

from sensorium.serve.arrays import Pixels, Waveform
from sensorium.serve.messages import RemoteError
from sensorium.serve.tensors import Tensor, raws_of, split_body

RATE = {"sample_rate": 8000}


def content(kind: str, datatype: str, data: list[Any], binary: bytes = b"") -> Any:
    """Of the only row of a tensor."""
    shape = {"image": [1, 1, len(data)], "audio": [1, len(data)]}.get(kind, [1])
    tensor = Tensor(name="input", shape=shape, datatype=datatype, data=data, parameters=RATE)
    return raws_of(tensor, binary, kind, most=1)[0].content


def test_numbers_are_taken_as_they_are() -> None:
    pixels, samples = content("image", "UINT8", [0, 255]), content("audio", "FP32", [0, -0.5])
    assert isinstance(pixels, Pixels)
    assert isinstance(samples, Waveform)
    assert (pixels.array.tolist(), samples.samples.tolist()) == ([[0, 255]], [0.0, -0.5])


@pytest.mark.parametrize(
    ("kind", "datatype", "value"),
    [
        *(("image", "UINT8", value) for value in (1.7, "12", True, None, 256, -1, {})),
        *(("audio", "FP32", value) for value in ("0.5", False, None, 10**400, {})),
        *(("text", "BYTES", value) for value in (1, None)),
    ],
)
def test_other_values_are_refused(kind: str, datatype: str, value: Any) -> None:
    with pytest.raises(RemoteError, match=f"The data of input is not {datatype}"):
        content(kind, datatype, [value])


def test_data_that_is_there_twice_is_refused() -> None:
    with pytest.raises(RemoteError, match="in the JSON and behind it"):
        content("text", "BYTES", ["one"], b"\3\0\0\0two")


@pytest.mark.parametrize("length", ["3", "-1", "1.0", "", "²", "0" * 5000 + "1"])
def test_a_length_of_the_json_that_is_none(length: str) -> None:
    with pytest.raises(RemoteError, match="no length within the body"):
        split_body(b"{}", length)
