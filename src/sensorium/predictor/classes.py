"""What an answer of a classifier is, whatever it was asked about."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sensorium.errors import RequestError

TOP_K = 5  # classes named unless told otherwise


@dataclass(frozen=True)
class Prediction:
    """One input's answer. classes: (name, probability) pairs, the most probable first; empty when error says why."""

    input: str
    classes: tuple[tuple[str, float], ...]
    error: str | None = None


def top_classes(probabilities: Tensor, names: Sequence[str], top_k: int) -> list[tuple[tuple[str, float], ...]]:
    """Probabilities (B, K) -> the k most probable classes of each, with their probabilities."""
    best = probabilities.cpu().topk(min(top_k, len(names)))
    rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [
        tuple((names[index], value) for index, value in zip(indices, values, strict=True)) for values, indices in rows
    ]


def check_top_k(top_k: object) -> int:
    """The number of classes to name, if it can be one; else a RequestError."""
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
        raise RequestError(f"top_k={top_k} is not possible: it is a number of classes, 1 or more.")
    return top_k
