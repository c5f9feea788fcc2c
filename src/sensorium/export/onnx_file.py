"""A graph of a task as an ONNX file."""

import contextlib
import io
import logging
import warnings
from typing import Any

import torch

from sensorium.errors import RunError, missing_extra
from sensorium.export.translations import OPSET, table
from sensorium.tasks.graphs import Graph

_TRACED = (3, 37)  # batch and length; neither is one that it is checked at


def program_of(graph: Graph) -> torch.export.ExportedProgram:
    """The graph as PyTorch sees it, with its axes open.

    Raises RunError where the model's code holds on to the sizes of the example: PyTorch's own exporter falls back to
    those in silence (pytorch#151582), and a file for one batch size is of no use.
    """
    axes = {name for one in graph.inputs.values() for name in one.values()}
    open_axes = {name: torch.export.Dim(name) for name in axes}
    shapes = tuple({axis: open_axes[name] for axis, name in one.items()} for one in graph.inputs.values())
    variadic = {"inputs": shapes}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.export.export(
                graph.module,
                graph.sample(*_TRACED),
                dynamic_shapes=variadic,
                strict=False,
                # Whether strides fit is beyond its algebra for some sizes; they are checked by running other sizes.
                prefer_deferred_runtime_asserts_over_guards=True,
            )
    except (torch._dynamo.exc.UserError, RuntimeError, ValueError, AssertionError, TypeError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise RunError(
            f"This model cannot be exported: its code cannot be traced with an open batch size and length "
            f"({type(error).__name__}: {first:.300})."
        ) from error


def onnx_of(graph: Graph, program: torch.export.ExportedProgram, metadata: dict[str, str]) -> bytes:
    """An ONNX model whose inputs and outputs have the graph's names. Raises RunError where an axis is not open."""
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "export") from error
    with _quiet():
        found = torch.onnx.export(
            program,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            custom_translation_table=dict(table()),
            dynamo=True,
            verbose=False,
            optimize=True,
        )
    assert found is not None
    model = found.model_proto
    for one in model.graph.input:
        dims = one.type.tensor_type.shape.dim
        if frozen := [name for axis, name in graph.inputs[one.name].items() if not dims[axis].dim_param]:
            raise RunError(f"This model cannot be exported: {one.name} is written for one {frozen[0]} size alone.")
    _name_axes(model, graph)
    del model.metadata_props[:]
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    content: bytes = _without_traces(model).SerializeToString()
    return content


def _name_axes(model: Any, graph: Graph) -> None:
    """Gives open axes the graph's names, where PyTorch has numbered them (s21)."""
    shapes = {one.name: one.type.tensor_type.shape.dim for one in model.graph.input}
    names = {
        shapes[tensor][axis].dim_param: name for tensor, axes in graph.inputs.items() for axis, name in axes.items()
    }
    for one in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in one.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]


def _without_traces(model: Any) -> Any:
    """Without the exporter's notes on each node: lines of code, and paths of the machine that it ran on."""
    model.doc_string = ""
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
            part.doc_string = ""
            if hasattr(part, "metadata_props"):
                del part.metadata_props[:]
        graphs += [attribute.g for node in graph.node for attribute in node.attribute if attribute.g.node]
    for function in model.functions:
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]
        del function.metadata_props[:]
    return model


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter prints its progress and logs what it decided."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
