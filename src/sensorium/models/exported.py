"""Exported models: ONNX files that `sensorium export` wrote, run by onnxruntime in the place of a network.

The file is data. Its metadata holds what a checkpoint holds beside its weights, opened with `weights_only=True`; a file
that refers to other files, or to operators that are not ONNX's own, is rejected.
"""

import base64
import binascii
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError, missing_extra
from sensorium.files import exists, json_value, meant, not_a_file
from sensorium.nn.transfer import DAMAGED

SUFFIX = ".onnx"
ABOUT = "sensorium.checkpoint"  # metadata: the checkpoint without its weights
FACTS = "sensorium"  # metadata: what a program without PyTorch needs, as JSON
FORMAT = 1  # of these facts
_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(uint8)": np.uint8, "tensor(bool)": np.bool_}


def is_exported(path: Path) -> bool:
    """Whether a path is one of an exported model, by its name."""
    return path.suffix.lower() == SUFFIX


def beside(path: Path, name: str) -> Path:
    """Where another graph of the same model is: model.onnx -> model.step.onnx."""
    return path if name == "model" else path.with_name(f"{path.stem}.{name}{SUFFIX}")


def packed(payload: dict[str, Any]) -> str:
    """A checkpoint without its weights as text, for the metadata of a file."""
    file = io.BytesIO()
    torch.save(payload, file)
    return base64.b64encode(file.getvalue()).decode()


def payload_of(path: Path) -> dict[str, Any]:
    """What `packed` had. Raises RequestError for a file that is missing, damaged, or was exported by something else."""
    if not exists(path):
        raise RequestError(f"There is no exported model {path}.{meant(path)}")
    if wrong := not_a_file(path):
        raise RequestError(f"{path} is {wrong}; an exported model is a file, such as model.onnx.")
    model = _parsed(path)
    found = {entry.key: entry.value for entry in model.metadata_props}
    if ABOUT not in found:
        raise RequestError(f"{path} was not written by sensorium export: it has no class names and no preprocessing.")
    try:
        content = io.BytesIO(base64.b64decode(found[ABOUT], validate=True))
        payload = torch.load(content, map_location="cpu", weights_only=True)
    except (binascii.Error, *DAMAGED) as error:
        raise RequestError(f"{path} is damaged: its metadata cannot be opened ({type(error).__name__}).") from error
    if not isinstance(payload, dict):
        raise RequestError(f"{path} is damaged: its metadata is of another form.")
    return payload


def _parsed(path: Path) -> Any:
    """The file as data. Rejects one that is not whole by itself."""
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "export") from error
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise RequestError(f"{path} is not an ONNX file, or an incomplete one ({type(error).__name__}).") from error
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise RequestError(f"{path} refers to other files for its weights; sensorium export writes them into one.")
    return model


def _tensors(graph: Any) -> Iterator[Any]:
    """All constants of a graph and of the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner) if inner.node or inner.initializer else ()


class GraphRunner:
    """One graph, run by onnxruntime on the CPU with as many threads as PyTorch has.

    inputs: names and element types, in order. shapes: of them, a name where a size is open. facts: what its file says
    of itself (`tasks.graphs.Graph.facts`). Raises RequestError for a file that does not load.
    """

    def __init__(self, source: Path | bytes) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_extra("onnxruntime", "export") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors
        try:
            given = source if isinstance(source, bytes) else str(source)
            self._session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            name = "The exported model" if isinstance(source, bytes) else str(source)
            raise RequestError(f"{name} does not load: {str(error).strip().splitlines()[0]:.200}") from error
        self.inputs = {one.name: _TYPES.get(one.type, np.float32) for one in self._session.get_inputs()}
        self.shapes = {one.name: tuple(one.shape) for one in self._session.get_inputs()}
        self.facts = _facts(self._session.get_modelmeta().custom_metadata_map.get(FACTS, "{}"), source)
        self._outputs = [one.name for one in self._session.get_outputs()]
        named = {"inputs": list(self.inputs), "outputs": self._outputs}
        if any(self.facts.get(key, names) != names for key, names in named.items()):
            raise RequestError("The exported model is damaged: its metadata describes another graph.")

    def __call__(self, *tensors: Tensor) -> dict[str, Tensor]:
        """Outputs by name, on the device of the inputs."""
        device = tensors[0].device
        arrays = [tensor.detach().cpu().numpy() for tensor in tensors]
        feed: dict[str, Any] = {
            name: np.ascontiguousarray(array, dtype=kind)
            for (name, kind), array in zip(self.inputs.items(), arrays, strict=True)
        }
        found = self._session.run(self._outputs, feed)
        return {name: torch.from_numpy(array).to(device) for name, array in zip(self._outputs, found, strict=True)}


def _facts(text: str, source: Path | bytes) -> dict[str, Any]:
    """Raises RequestError for what is of a later format, or of none."""
    name = "The exported model" if isinstance(source, bytes) else str(source)
    try:
        found = json_value(text)
    except ValueError as error:
        raise RequestError(f"{name} is damaged: its metadata is no JSON ({error!s:.100}).") from error
    if not isinstance(found, dict):
        raise RequestError(f"{name} is damaged: its metadata is of another form.")
    if found.get("format", FORMAT) != FORMAT:
        raise RequestError(
            f"{name} has format {found['format']!r:.40}; this Sensorium reads format {FORMAT}. Install a newer one."
        )
    return found


def runners(path: Path, names: Iterable[str]) -> dict[str, GraphRunner]:
    """The graphs of an exported model by name. Raises RequestError where one of its files is missing or is that of
    another model, as when only one of them was copied or replaced.
    """
    files = {name: beside(path, name) for name in names}
    for file in files.values():
        if not exists(file):
            raise RequestError(f"{path} is one of several files of its model, and {file.name} is not beside it.")
    found = {name: GraphRunner(file) for name, file in files.items()}
    for name, one in found.items():
        if one.facts.get("identity") != found[next(iter(found))].facts.get("identity"):
            raise RequestError(f"{files[name]} is of another model than {path}; export the checkpoint again.")
    return found


class ExportedModel(nn.Module):
    """Stands where a network stood: graphs that have the preprocessing and the calibration inside.

    Subclasses have the methods of their task's protocol. graphs: by name, "model" or "encoder" first.
    """

    def __init__(self, graphs: Mapping[str, GraphRunner]) -> None:
        super().__init__()
        self.graphs = dict(graphs)


class ExportedLogits(ExportedModel):
    """A model of one graph, whose answers are its output "logits". head: sees the features, as a network's does."""

    def __init__(self, graphs: Mapping[str, GraphRunner]) -> None:
        super().__init__(graphs)
        self.head = nn.Identity()

    def forward(self, *inputs: Tensor) -> Tensor:
        """A batch's `inputs` as they are stored -> the output "logits"."""
        found = self.graphs["model"](*inputs)
        if "features" in found:
            self.head(found["features"])
        return found["logits"]
