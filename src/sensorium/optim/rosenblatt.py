"""Rosenblatt's learning rule: weights move after mistakes only (F. Rosenblatt, "Principles of Neurodynamics", 1962).

An optimizer sees gradients, and the gradient of the perceptron's criterion (`sensorium.losses.perceptron`) with regard
to the weights of a unit is (output - target) * input. A plain step against it, without momentum, is the rule:

    w += lr * (target - output) * x

One example at a time (batch_size=1) as he had it; a larger batch moves by the mean of its corrections. Where a plane
parts the classes, a unit that starts from 0 makes at most (R / margin)^2 mistakes in all, R being the longest input
(A. Novikoff, "On convergence proofs on perceptrons", 1962); where none does, the rule never ends.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.optim import SGD

from sensorium.errors import RequestError
from sensorium.optim.groups import check_number


class Rosenblatt(SGD):
    """Gradient descent without momentum, on the one criterion that makes it Rosenblatt's rule.

    criterion: "perceptron"; it stands here so that `task.criterion` can follow it. Raises RequestError for another.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        weight_decay: float,
        criterion: str,
    ) -> None:
        check_number("optimizer.lr", lr)
        check_number("optimizer.weight_decay", weight_decay)
        if criterion != "perceptron":
            raise RequestError(
                f"optimizer.criterion={criterion}: Rosenblatt's rule works on the perceptron's criterion only.\n"
                "Use optimizer=sgd for another loss."
            )
        super().__init__(params, lr=lr, weight_decay=weight_decay)
