"""A checkpoint as files that answer without it: written only once they are shown to answer alike."""

import hashlib
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sensorium import checkpoint as checkpoints
from sensorium import evaluation
from sensorium.build import loaded_model, make_loader
from sensorium.checkpoint import Checkpoint
from sensorium.errors import RequestError, RunError
from sensorium.export import int8, proof
from sensorium.export.onnx_file import onnx_of, program_of
from sensorium.models.exported import ABOUT, FACTS, FORMAT, GraphRunner, beside, is_exported, packed
from sensorium.run_config import RunConfig
from sensorium.tasks import registry
from sensorium.tasks.graphs import Graph
from sensorium.tasks.metric import Metric

FORMATS = ("onnx", "onnx-int8", "torch")
SUFFIXES = {"onnx": ".onnx", "onnx-int8": ".onnx", "torch": ".pt2"}
TOLERANCE = 1e-4  # of a probability, or of a metric
TOLERANCE_INT8 = 0.005  # of a metric: half a point
_COMPARED, _MEASURED, _CALIBRATED = 64, 1000, 200  # validation and training examples


@dataclass(frozen=True, kw_only=True)
class Data:
    """What an export is proven on. config: of evaluations. train, val: splits."""

    config: RunConfig
    train: Any
    val: Any


@dataclass(frozen=True, kw_only=True)
class Exported:
    """kind: of FORMATS. files: by name. difference: the largest of an output from the network's. metrics,
    exported_metrics: on validation examples, before and after; {} without data. examples: how many. timings: of the
    first graph.
    """

    kind: str
    files: Mapping[str, bytes]
    difference: float
    metrics: Mapping[str, float]
    exported_metrics: Mapping[str, float]
    headline: str
    examples: int
    timings: list[proof.Timing]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))

    def to_dict(self) -> dict[str, Any]:
        """Plain types: what proof.json has."""
        return {
            "format": self.kind,
            "bytes": {name: len(content) for name, content in self.files.items()},
            "largest_difference": self.difference,
            "examples": self.examples,
            "metrics": dict(self.metrics),
            "exported_metrics": dict(self.exported_metrics),
            "milliseconds": [{"batch": t.batch, "torch": t.torch, "exported": t.exported} for t in self.timings],
        }


def export(
    loaded: Checkpoint, *, kind: str, tolerance: float | None, data: Data | None, trust: bool, name: str = "model"
) -> Exported:
    """Files of a checkpoint. kind: of FORMATS. tolerance: None for that of the kind. name: of the first file.

    data: None where there is none to compare on; random inputs are compared always. Raises RequestError for what is not
    exported, and RunError where the files do not answer as the checkpoint does.
    """
    if is_exported(loaded.path):
        raise RequestError(f"{loaded.path} is exported already; give the checkpoint that it came from.")
    model = loaded_model(loaded, device=torch.device("cpu"), trust=trust)
    model.model.float().eval()
    graphs = registry.of(loaded.spec).graphs(replace(model, precision="32-true"))
    programs = {key: program_of(graph) for key, graph in graphs.items()}
    if kind == "torch":
        return _as_torch(loaded, graphs, programs, tolerance=TOLERANCE if tolerance is None else tolerance, name=name)
    identity = _identity(loaded, kind)
    contents = {
        key: onnx_of(graph, programs[key], _metadata(loaded, graph, identity, whole=key == _first(graphs)))
        for key, graph in graphs.items()
    }
    exact = TOLERANCE if kind == "onnx-int8" or tolerance is None else tolerance
    difference = _checked(graphs, contents, data, tolerance=exact)
    if kind == "onnx-int8":
        if data is None:
            raise RequestError("format=onnx-int8 is calibrated on training examples: the data is not there.")
        contents = {key: _small(graphs[key], content, data) for key, content in contents.items()}
        difference = max(_compared(graphs, contents, data))
    files = {beside(Path(f"{name}.onnx"), key).name: content for key, content in contents.items()}
    before, after, count = _measured(loaded, files, data, trust=trust)
    task = registry.of(loaded.spec)
    limit = TOLERANCE_INT8 if kind == "onnx-int8" else TOLERANCE
    _check_metrics(before, after, task.headline, limit if tolerance is None else tolerance)
    first = _first(graphs)
    return Exported(
        kind=kind,
        files=files,
        difference=difference,
        metrics=before,
        exported_metrics=after,
        headline=task.headline.name,
        examples=count,
        timings=proof.timed(graphs[first], contents[first], graphs[first].usual),
    )


def _first(graphs: Mapping[str, Graph]) -> str:
    return next(iter(graphs))


def _identity(loaded: Checkpoint, kind: str) -> str:
    """Of the files that one model becomes, equal for all of them and for no other model's."""
    digest = hashlib.sha256(kind.encode())
    for name, weight in sorted(loaded.weights.items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _metadata(loaded: Checkpoint, graph: Graph, identity: str, *, whole: bool = True) -> dict[str, str]:
    """identity: tells by which files belong together. whole: of the first graph, which speaks for the others."""
    facts: dict[str, Any] = {"format": FORMAT, "identity": identity}
    if not whole:
        return {FACTS: json.dumps(facts)}
    facts |= {
        "spec": loaded.spec.to_dict(),
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
    }
    facts |= graph.facts
    facts["decoding"] = dict(loaded.config.get("decoding") or {})
    if loaded.out_of_distribution is not None:
        facts["out_of_distribution"] = loaded.out_of_distribution.to_json()
    about = checkpoints.without_weights(loaded.path)
    return {FACTS: json.dumps(facts, ensure_ascii=False), ABOUT: packed(about)}


def _batches(graph: Graph, split: Any, config: RunConfig, *, most: int) -> Iterator[tuple[Tensor, ...]]:
    """Inputs of at most so many examples of a split, for this graph."""
    if graph.of_batch is None:
        return
    for batch in make_loader(config, _part(split, most), shuffle=False, device=torch.device("cpu")):
        yield graph.of_batch(batch.inputs)


def _part(split: Any, most: int) -> Any:
    if len(split) <= most:
        return split
    return split.subset(torch.linspace(0, len(split) - 1, most).long().unique().numpy())


def _compared(graphs: Mapping[str, Graph], contents: Mapping[str, bytes], data: Data | None) -> Iterator[float]:
    """Of each graph, the largest difference on random inputs and on validation examples."""
    for key, graph in graphs.items():
        runner = GraphRunner(contents[key])
        yield proof.largest_difference(graph, runner, proof.samples(graph))
        if data is not None:
            real = _batches(graph, data.val, data.config, most=_COMPARED)
            yield proof.largest_difference(graph, runner, real)


def _checked(
    graphs: Mapping[str, Graph], contents: Mapping[str, bytes], data: Data | None, *, tolerance: float
) -> float:
    """The largest difference. Raises RunError where it is too large."""
    if (worst := max(_compared(graphs, contents, data))) > tolerance:
        raise RunError(
            f"The exported model differs from the checkpoint by up to {worst:.2g}, more than tolerance={tolerance:g}; "
            "no file was written."
        )
    return worst


def _small(graph: Graph, content: bytes, data: Data) -> bytes:
    batches = list(_batches(graph, data.train, data.config, most=_CALIBRATED)) or [graph.sample(8, graph.usual)]
    return int8.quantized(content, batches)


def _measured(
    loaded: Checkpoint, files: Mapping[str, bytes], data: Data | None, *, trust: bool
) -> tuple[dict[str, float], dict[str, float], int]:
    """Metrics of the checkpoint and of the files on validation examples, and how many these are."""
    if data is None:
        return {}, {}, 0
    split = _part(data.val, _MEASURED)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        exported = checkpoints.read(Path(folder) / next(iter(files)))
        plain = replace(
            loaded, config=loaded.config | {"trainer": {**loaded.config["trainer"], "precision": "32-true"}}
        )
        found = [
            evaluation.evaluate(one, split, config=data.config, device=torch.device("cpu"), trust=trust).metrics
            for one in (plain, exported)
        ]
    return found[0], found[1], len(split)


def _check_metrics(before: Mapping[str, float], after: Mapping[str, float], headline: Metric, tolerance: float) -> None:
    """A metric that has got better by chance is no loss; where the graph computes the same, it is none either."""
    if not before:
        return
    ours, theirs = before[headline.name], after[headline.name]
    if math.isnan(ours) and math.isnan(theirs):  # undefined on these examples, whatever the model
        return
    lost = (ours - theirs) * (1 if headline.higher_is_better else -1)
    if not lost <= tolerance * max(1.0, abs(ours)):
        raise RunError(
            f"The exported model has {headline.name} {theirs:.4f} on validation, the checkpoint {ours:.4f}: worse by "
            f"more than tolerance={tolerance:g}. No file was written."
        )


def _as_torch(
    loaded: Checkpoint,
    graphs: Mapping[str, Graph],
    programs: Mapping[str, torch.export.ExportedProgram],
    *,
    tolerance: float,
    name: str,
) -> Exported:
    """Programs of torch.export, for `torch.export.load` and for ExecuTorch or AOTInductor."""
    files, worst, identity = {}, 0.0, _identity(loaded, "torch")
    for key, graph in graphs.items():
        program = programs[key]
        program.example_inputs = None  # nothing but the graph and its weights
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={"sensorium.json": _metadata(loaded, graph, identity)[FACTS]})
        files[f"{name}.pt2" if key == _first(graphs) else f"{name}.{key}.pt2"] = file.getvalue()
        worst = max(worst, proof.largest_difference(graph, _runner(program, graph), proof.samples(graph)))
    if worst > tolerance:
        raise RunError(f"The exported program differs by up to {worst:.2g}, more than {tolerance:g}; nothing written.")
    return Exported(
        kind="torch",
        files=files,
        difference=worst,
        metrics={},
        exported_metrics={},
        headline=registry.of(loaded.spec).headline.name,
        examples=0,
        timings=[],
    )


def _runner(program: torch.export.ExportedProgram, graph: Graph) -> Callable[..., dict[str, Tensor]]:
    module = program.module()

    def run(*tensors: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            return dict(zip(graph.outputs, module(*tensors), strict=True))

    return run
