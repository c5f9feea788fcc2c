"""Weights, and activations where data say how large they are, in 8 bits (onnxruntime's quantization).

Convolutions are quantized with the ranges that training examples have in them (static); recurrent layers and matrix
products of other networks with ranges measured as they run (dynamic), which needs no data and loses less.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from sensorium.errors import RunError, missing_extra

_STATIC, _DYNAMIC = ("Conv",), ("MatMul", "Gemm", "LSTM", "Gather")


def quantized(content: bytes, batches: list[tuple[Tensor, ...]]) -> bytes:
    """An ONNX model in 8 bits. batches: inputs of training examples. Raises RunError where nothing can be."""
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization import shape_inference
    except ImportError as error:
        raise missing_extra("onnxruntime", "export") from error
    kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
    if not kinds & {*_STATIC, *_DYNAMIC}:
        raise RunError("format=onnx-int8: nothing in this model can be quantized. Use format=onnx.")
    logging.getLogger().addFilter(_is_no_advice)
    try:
        with tempfile.TemporaryDirectory() as folder:
            whole, prepared, small = (Path(folder) / f"{name}.onnx" for name in ("whole", "prepared", "small"))
            whole.write_bytes(content)
            shape_inference.quant_pre_process(whole, prepared, skip_symbolic_shape=True)
            if kinds & set(_STATIC):
                quantization.quantize_static(
                    prepared,
                    small,
                    _Reader(prepared, batches),
                    per_channel=True,
                    op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                    extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
                )
            else:
                quantization.quantize_dynamic(prepared, small, op_types_to_quantize=[*_DYNAMIC], per_channel=True)
            return small.read_bytes()
    finally:
        logging.getLogger().removeFilter(_is_no_advice)


def _is_no_advice(record: logging.LogRecord) -> bool:
    return "Please consider to run pre-processing" not in record.getMessage()


class _Reader:
    """Batches as onnxruntime's calibration asks for them."""

    def __init__(self, path: Path, batches: list[tuple[Tensor, ...]]) -> None:
        import onnx

        names = [one.name for one in onnx.load(path).graph.input]
        self._given: Iterator[dict[str, np.ndarray]] = iter(
            [{name: tensor.numpy() for name, tensor in zip(names, one, strict=True)} for one in batches]
        )

    def get_next(self) -> dict[str, Any] | None:
        return next(self._given, None)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Part of the interface; all batches are read at once."""

    def __len__(self) -> int:
        return 0
