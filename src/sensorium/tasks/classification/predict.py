"""Predictions of a classifier of any modality."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from sensorium.errors import RequestError
from sensorium.output import Record
from sensorium.tasks.base import Prediction, not_finite

TOP_K = 5  # classes for each input by default
_WIDEST = 100  # characters of an input that a table shows


@dataclass(frozen=True)
class ClassPrediction(Prediction):
    """classes: (name, probability) pairs, the most probable first; empty with an error. top_k: as many as were
    asked for.
    """

    classes: tuple[tuple[str, float], ...] = ()
    top_k: int = TOP_K

    def to_dict(self) -> Record:
        classes = [{"class": name, "probability": probability} for name, probability in self.classes]
        return {"input": self.input, "classes": classes} | ({"error": self.error} if self.error else {})

    def rows(self) -> list[Record]:
        row: Record = {"input": self.input}
        for place in range(self.top_k):
            name, probability = self.classes[place] if self.classes else ("", "")
            row |= {f"class_{place + 1}": name, f"probability_{place + 1}": probability}
        return [row | {"error": self.error or ""}]

    def summary(self) -> Record:
        text = self.input if len(self.input) <= _WIDEST else f"{self.input[: _WIDEST - 3]}..."
        name, probability = self.classes[0] if self.classes else ("", None)
        following = "  ".join(f"{name} {probability:.3f}" for name, probability in self.classes[1:])
        return {"input": text, "class": name, "probability": probability, "next": following}


def class_predictions(
    inputs: Iterable[tuple[str, str | None]], probabilities: Tensor | None, names: Sequence[str], top_k: int
) -> Iterator[ClassPrediction]:
    """One for each input, of which those without an error have a row of probabilities (B, K), in order."""
    top_k = min(top_k, len(names))
    rows = iter(top_classes(probabilities, names, top_k) if probabilities is not None else ())
    for name, error in inputs:
        yield class_prediction(name, next(rows) if error is None else (), top_k, error)


def class_prediction(
    name: str, classes: tuple[tuple[str, float], ...], top_k: int, error: str | None
) -> ClassPrediction:
    """Of one input; an error where the probabilities are no numbers."""
    if error is None and not all(math.isfinite(probability) for _, probability in classes):
        error = not_finite(f"{name:.100}")
    return ClassPrediction(name, () if error else classes, top_k, error=error)


def top_classes(probabilities: Tensor, names: Sequence[str], top_k: int) -> list[tuple[tuple[str, float], ...]]:
    """Probabilities (B, K) -> the k most probable classes of each, with their probabilities."""
    best = probabilities.cpu().topk(min(top_k, len(names)))
    rows = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [
        tuple((names[index], value) for index, value in zip(indices, values, strict=True)) for values, indices in rows
    ]


def checked_top_k(top_k: object) -> int:
    """The number of classes to name, TOP_K for None. Raises RequestError for what is no such number."""
    if top_k is None:
        return TOP_K
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
        raise RequestError(f"top_k={top_k} is not possible: it is a number of classes, 1 or more.")
    return top_k
