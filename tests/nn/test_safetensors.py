"""Files of safetensors: read as the format says, and refused where they are damaged. No package is needed."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sensorium.errors import RequestError
from sensorium.nn.safetensors import read_safetensors
from sensorium.nn.transfer import read_weights


def written(path: Path, header: Any, data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_tensors_are_read_by_name_type_and_shape(tmp_path: Path) -> None:
    weight = torch.tensor([[1.5, -2.0, 3.0]])
    counts = torch.tensor([7, 8])
    half = torch.tensor(0.5, dtype=torch.bfloat16)
    data = weight.numpy().tobytes() + counts.numpy().tobytes() + b"\x00\x3f"  # 0.5 in bfloat16
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": {"dtype": "F32", "shape": [1, 3], "data_offsets": [0, 12]},
        "counts": {"dtype": "I64", "shape": [2], "data_offsets": [12, 28]},
        "half": {"dtype": "BF16", "shape": [], "data_offsets": [28, 30]},
        "none": {"dtype": "F32", "shape": [0, 4], "data_offsets": [30, 30]},
    }
    path = written(tmp_path / "model.safetensors", header, data)
    found = read_safetensors(path)
    assert list(found) == ["a.weight", "counts", "half", "none"]
    assert torch.equal(found["a.weight"], weight)
    assert torch.equal(found["counts"], counts)
    assert torch.equal(found["half"], half)
    assert found["none"].shape == (0, 4)
    assert torch.equal(read_weights(path).tensors["a.weight"], weight)  # as model.init reads it


def test_the_package_that_others_write_with_is_read(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.torch")
    state = {"a": torch.randn(3, 4), "b": torch.arange(5), "c": torch.randn(2, 2).half()}
    package.save_file(state, str(tmp_path / "x.safetensors"))
    found = read_safetensors(tmp_path / "x.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}, "does not fit its shape"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}, "of 8 bytes"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}, "has the shape"),
        ({"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}, "numbers of type C64"),
        ({"dtype": "F32", "shape": [2]}, "data_offsets"),
        ([1, 2], "list indices"),
    ],
)
def test_a_tensor_that_does_not_fit_the_file_is_refused(tmp_path: Path, about: Any, why: str) -> None:
    path = written(tmp_path / "model.safetensors", {"a": about}, bytes(8))
    with pytest.raises(RequestError, match=f"is not a file of safetensors, or it is damaged .*{why}"):
        read_safetensors(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    path = written(tmp_path / "model.safetensors", header, bytes(16))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(RequestError, match="damaged or truncated"):
            read_safetensors(path)
    path.write_bytes((1 << 60).to_bytes(8, "little") + whole[8:])  # a header as long as no memory
    with pytest.raises(RequestError, match="damaged or truncated"):
        read_safetensors(path)
