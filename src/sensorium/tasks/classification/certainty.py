"""What a classifier's prediction says beside its probabilities, where coverage= or max_error= ask for a guarantee."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sensorium.metrics.conformal import conformity_scores
from sensorium.output import Record
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.calibration import needed

CERTAINTY = ("coverage", "max_error")  # options of a classifier
SEPARATOR = "|"  # between the classes in a cell
UNSURE = "unsure"


@dataclass(frozen=True)
class Certainty:
    """classes: the set that holds the true class with the stated coverage, the most probable first; None where it was
    not asked for. decision: the class, "" for an abstention; None where max_error was not asked for.
    """

    classes: tuple[str, ...] | None = None
    decision: str | None = None

    @property
    def unsure(self) -> bool:
        """Whether the set is empty, or nothing was decided."""
        return self.classes == () or self.decision == ""

    def to_dict(self) -> Record:
        """The fields that were asked for, and `unsure`."""
        found: Record = {} if self.classes is None else {"set": list(self.classes)}
        if self.decision is not None:
            found["decision"] = self.decision or None
        return found | {"unsure": self.unsure}

    def row(self) -> Record:
        """The same as cells."""
        found: Record = {} if self.classes is None else {"set": SEPARATOR.join(self.classes)}
        if self.decision is not None:
            found["decision"] = self.decision
        return found | {"unsure": self.unsure}

    def summary(self) -> Record:
        """As a person reads it."""
        found: Record = {} if self.classes is None else {"set": ", ".join(self.classes) or UNSURE}
        return found | ({} if self.decision is None else {"decision": self.decision or UNSURE})


class Guarantees:
    """Makes a `Certainty` of each example's probabilities.

    Raises RequestError for a checkpoint without calibration, or with too few examples for what the options ask.
    """

    def __init__(self, model: LoadedModel, options: PredictOptions) -> None:
        self.names: Sequence[str] = model.spec.class_names
        self.score = self.confidence = None
        if options.coverage is not None:
            self.score = float(needed(model.calibration, "coverage").set_threshold(options.coverage))
        if options.max_error is not None:
            self.confidence = needed(model.calibration, "max_error").selection(options.max_error).threshold

    def none(self) -> Certainty | None:
        """Of an input without a prediction: it has the fields of the others."""
        if self.score is None and self.confidence is None:
            return None
        return Certainty(None if self.score is None else (), None if self.confidence is None else "")

    def of(self, probabilities: Tensor) -> list[Certainty | None]:
        """Of probabilities (B, K), for each; None where nothing was asked for."""
        if self.score is None and self.confidence is None:
            return [None] * len(probabilities)
        p = probabilities.float().cpu().numpy()
        sets: list[tuple[str, ...] | None] = [None] * len(p)
        if self.score is not None:
            inside = conformity_scores(p).astype(np.float32) <= self.score  # float32, as the score is stored
            best = np.argsort(-p, axis=1, kind="stable")
            sets = [tuple(self.names[one] for one in row if kept[one]) for row, kept in zip(best, inside, strict=True)]
        decisions: list[str | None] = [None] * len(p)
        if self.confidence is not None:
            rows = zip(p.max(axis=1) >= np.float32(self.confidence), p.argmax(axis=1), strict=True)
            decisions = [self.names[best] if sure else "" for sure, best in rows]
        return [Certainty(*pair) for pair in zip(sets, decisions, strict=True)]
