"""Sensorium's own operators in terms of ONNX's."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sensorium.errors import missing_extra
from sensorium.nn import recurrent_op

OPSET = 20


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

    operators: dict[Callable[..., Any], Callable[..., Any]] = {
        recurrent_op.lstm._opoverload: lstm,
        recurrent_op.gru._opoverload: gru,
    }
    return operators
