"""Sensorium's own operators in terms of ONNX's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from sensorium.errors import missing_extra
from sensorium.nn import recurrent_op, suppression

OPSET = 20
_FLOAT, _INT64, _BOOL = 1, 7, 9  # element types of ONNX
_LEAST = -3e38


def table() -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """For `torch.onnx.export(custom_translation_table=...)`. Raises RequestError without the extra."""
    try:
        from onnxscript import opset20
    except ImportError as error:
        raise missing_extra("onnxscript", "export") from error
    op: Any = opset20  # its stubs know the operators by their versions before

    def ordered(weight: Any, gates: Sequence[int]) -> Any:
        """A weight (gates * D, ...) with its gates in ONNX's order, one direction in front."""
        parts = op.Split(weight, num_outputs=len(gates), axis=0)
        return op.Unsqueeze(op.Concat(*(parts[gate] for gate in gates), axis=0), [0])

    def arguments(x: Any, weights: Sequence[Any], gates: Sequence[int]) -> list[Any]:
        biases = op.Concat(*(ordered(bias, gates) for bias in weights[2:]), axis=1)
        inputs = op.Transpose(x, perm=[1, 0, 2])  # time first
        return [inputs, ordered(weights[0], gates), ordered(weights[1], gates), biases, None]

    def batch_first(outputs: Any) -> Any:
        return op.Transpose(op.Squeeze(outputs, [1]), perm=[1, 0, 2])

    def lstm(x: Any, hidden: Any, cell: Any, weights: Sequence[Any]) -> tuple[Any, Any, Any]:
        size = hidden.shape[2]
        given = arguments(x, weights, (0, 3, 1, 2))  # PyTorch: input, forget, cell, output; ONNX: i, o, f, c
        outputs, last, end = op.LSTM(*given, hidden, cell, hidden_size=size)
        return batch_first(outputs), last, end

    def gru(x: Any, hidden: Any, weights: Sequence[Any]) -> tuple[Any, Any]:
        given = arguments(x, weights, (1, 0, 2))  # PyTorch: reset, update, new; ONNX: update, reset, hidden
        outputs, last = op.GRU(*given, hidden, hidden_size=hidden.shape[2], linear_before_reset=1)
        return batch_first(outputs), last

    def roi_align(features: Any, rois: Any, scale: float, height: int, width: int, ratio: int, aligned: bool) -> Any:
        images = op.Cast(op.Squeeze(op.Slice(rois, [0], [1], [1]), [1]), to=_INT64)
        return op.RoiAlign(
            features,
            op.Slice(rois, [1], [5], [1]),
            images,
            coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel",
            output_height=height,
            output_width=width,
            sampling_ratio=ratio,
            spatial_scale=scale,
        )

    def kept(boxes: Any, scores: Any, labels: Any, threshold: float, classes: int) -> Any:
        """As `torchvision.ops.batched_nms`, which moves the boxes of each class aside where there are few."""
        there = op.GreaterOrEqual(scores, 0.0)  # (B, N)
        count = op.ReduceSum(op.Cast(there, to=_INT64), [1], keepdims=1)
        one = op.Unsqueeze(there, [2])
        far = op.ReduceMax(op.Where(one, boxes, _LEAST), [1, 2], keepdims=1) + 1.0
        few = op.Unsqueeze(op.LessOrEqual(count, suppression.OFFSET), [2])
        moved = boxes + op.Unsqueeze(op.Cast(labels, to=_FLOAT), [2]) * op.Where(few, far, 0.0)
        numbers = op.Reshape(op.Range(0, classes, 1), [1, -1, 1])
        mine = op.Equal(op.Unsqueeze(labels, [1]), numbers)  # (B, K, N)
        of_class = op.Where(mine, op.Unsqueeze(scores, [1]), suppression.ABSENT)
        most = op.Shape(scores, start=1, end=2)
        chosen = op.NonMaxSuppression(moved, of_class, most, [threshold], [suppression.ABSENT / 2])
        rows = op.Gather(chosen, [0, 2], axis=1)  # image and box, without the class
        marks = op.Expand(op.Constant(value_int=1), op.Shape(rows, start=0, end=1))
        none = op.Expand(op.Constant(value_int=0), op.Shape(scores))
        return op.Cast(op.ScatterND(none, rows, marks), to=_BOOL)

    operators: dict[Callable[..., Any], Callable[..., Any]] = {
        recurrent_op.lstm._opoverload: lstm,
        recurrent_op.gru._opoverload: gru,
        suppression.kept._opoverload: kept,
        torch.ops.torchvision.roi_align.default: roi_align,
    }
    return operators
