"""Predictions of a classifier of any modality."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from sensorium.errors import RequestError
from sensorium.output import Record
from sensorium.tasks.base import LoadedModel, Prediction, PredictOptions, no_flag, not_finite
from sensorium.tasks.classification.certainty import Certainty, Guarantees

TOP_K = 5  # classes for each input by default
_WIDEST = 100  # characters of an input that a table shows


@dataclass(frozen=True)
class ClassPrediction(Prediction):
    """classes: (name, probability) pairs, the most probable first; empty with an error. top_k: as many as were
    asked for. certainty: what coverage= and max_error= came to; of an error, an empty one, for the columns.
    """

    classes: tuple[tuple[str, float], ...] = ()
    top_k: int = TOP_K
    certainty: Certainty | None = None

    def to_dict(self) -> Record:
        classes = [{"class": name, "probability": probability} for name, probability in self.classes]
        record: Record = {"input": self.input, "classes": classes}
        if self.error:
            return record | {"error": self.error}
        return record | (self.certainty.to_dict() if self.certainty else {}) | self.flag()

    def tensors(self) -> dict[str, Any]:
        return {
            "classes": [name for name, _ in self.classes],
            "probabilities": [probability for _, probability in self.classes],
        }

    def rows(self) -> list[Record]:
        row: Record = {"input": self.input}
        for place in range(self.top_k):
            name, probability = self.classes[place] if self.classes else ("", "")
            row |= {f"class_{place + 1}": name, f"probability_{place + 1}": probability}
        if self.certainty is not None:
            cells = self.certainty.row()
            row |= dict.fromkeys(cells, "") if self.error else cells
        return [row | self.flag() | {"error": self.error or ""}]

    def summary(self) -> Record:
        text = self.input if len(self.input) <= _WIDEST else f"{self.input[: _WIDEST - 3]}..."
        name, probability = self.classes[0] if self.classes else ("", None)
        certainty = self.certainty.summary() if self.certainty else {}
        following = "  ".join(f"{name} {probability:.3f}" for name, probability in self.classes[1:])
        return {
            "input": text,
            "class": name,
            "probability": probability,
            **certainty,
            **self.shown_flag(),
            "next": following,
        }


def class_predictions(
    inputs: Iterable[tuple[str, str | None]],
    found: tuple[Tensor, Sequence[bool | None]] | None,
    maker: "ClassPredictions",
) -> Iterator[ClassPrediction]:
    """One for each input, of which those without an error have a row of probabilities (B, K) and a flag, in order."""
    rows = iter(maker.rows(*found) if found is not None else ())
    for name, error in inputs:
        yield maker.prediction(name, next(rows) if error is None else None, error)


class ClassPredictions:
    """Makes predictions of probabilities, with the number of classes and the guarantees that the options ask for.

    Raises RequestError for options that are not possible with this model.
    """

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.names: Sequence[str] = model.spec.class_names
        self.top_k = min(checked_top_k(options.top_k), len(self.names))
        self.guarantees = Guarantees(model, options)
        self.no_flag = no_flag(model)

    def rows(self, probabilities: Tensor, flags: Sequence[bool | None]) -> list["Row"]:
        """Of probabilities (B, K) and B flags of inputs unlike the training data, for each."""
        classes = top_classes(probabilities, self.names, self.top_k)
        return [Row(*one) for one in zip(classes, self.guarantees.of(probabilities), flags, strict=True)]

    def prediction(self, name: str, row: "Row | None", error: str | None) -> ClassPrediction:
        """Of one input; an error where the probabilities are no numbers. row: None for one that could not be read."""
        if row is not None and error is None and not all(math.isfinite(probability) for _, probability in row.classes):
            error = not_finite(f"{name:.100}")
        if row is None or error is not None:
            return ClassPrediction(
                name, (), self.top_k, self.guarantees.none(), error=error, out_of_distribution=self.no_flag
            )
        return ClassPrediction(
            name, row.classes, self.top_k, row.certainty, out_of_distribution=row.out_of_distribution
        )


class Row(NamedTuple):
    """Of one example."""

    classes: tuple[tuple[str, float], ...]
    certainty: Certainty | None
    out_of_distribution: bool | None = None


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
