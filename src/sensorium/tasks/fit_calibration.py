"""A calibration from a model's results on validation examples: which correction, how good, and what guarantees need.

From HALVED examples on, one half fits the correction and the other measures it and serves the guarantees, which
ask for examples that nothing was fitted on. Below, each half measures what the other one fits, and one temperature is
then fitted on all (docs/decisions/0037).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sensorium.metrics.calibration import (
    SMALLEST,
    Scaling,
    calibration_error,
    calibration_error_interval,
    fit_classes,
    fit_scores,
    log_odds,
    log_probabilities,
    scaled_classes,
    scaled_scores,
)
from sensorium.metrics.conformal import conformity_scores
from sensorium.randomness import generator
from sensorium.tasks.calibration import Calibration, kept

FEWEST = 100  # examples below which nothing is fitted: a temperature would follow their luck
HALVED = 1000  # examples from which on one half fits and the other measures
Fit = Callable[[np.ndarray, np.ndarray], Scaling]


class _Family(ABC):
    """What is corrected. x: (N, ...) what a scaling works on. y: (N, ...) the truth."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    @abstractmethod
    def candidates(self, size: int) -> dict[str, Fit]:
        """Corrections by method, the simplest first, for a fit on `size` examples."""

    @abstractmethod
    def probabilities(self, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        """Of these examples."""

    @abstractmethod
    def losses(self, rows: np.ndarray, p: np.ndarray) -> np.ndarray:
        """(N,) of these examples, in nats."""

    @abstractmethod
    def outcomes(self, rows: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Confidence, and whether it is right."""


class _Classes(_Family):
    """x: log-probabilities (N, K). y: labels (N,)."""

    def candidates(self, size: int) -> dict[str, Fit]:
        found: dict[str, Fit] = {"temperature": lambda x, y: fit_classes(x, y, per_class=False)}
        if size >= HALVED // 2:  # two numbers a class need more examples than one number in all
            found["vector"] = lambda x, y: fit_classes(x, y, per_class=True)
        return found

    def probabilities(self, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        return np.exp(self.x[rows]) if scaling is None else scaled_classes(self.x[rows], scaling)

    def losses(self, rows: np.ndarray, p: np.ndarray) -> np.ndarray:
        found: np.ndarray = -np.log(np.maximum(p[np.arange(len(rows)), self.y[rows]], SMALLEST))
        return found

    def outcomes(self, rows: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return p.max(axis=1), p.argmax(axis=1) == self.y[rows]


class _Scores(_Family):
    """x: log-odds (N,) or (N, K). y: bool, of the same shape."""

    def candidates(self, size: int) -> dict[str, Fit]:
        if self.x.ndim == 2:
            return {"temperature": _each_column}
        return {"platt": lambda x, y: fit_scores(x, y, bias=True)}

    def probabilities(self, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        return scaled_scores(self.x[rows], scaling or Scaling(np.ones(1), np.zeros(0)))

    def losses(self, rows: np.ndarray, p: np.ndarray) -> np.ndarray:
        of_truth = np.maximum(np.where(self.y[rows], p, 1 - p), SMALLEST)
        return -np.log(of_truth).reshape(len(rows), -1).mean(axis=1)

    def outcomes(self, rows: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return p, self.y[rows]


def _each_column(odds: np.ndarray, correct: np.ndarray) -> Scaling:
    """A temperature for each tag; without a bias, so that a probability of 0.5 stays one."""
    scales = [fit_scores(odds[:, tag], correct[:, tag], bias=False).scale for tag in range(odds.shape[1])]
    return Scaling(np.concatenate(scales), np.zeros(0))


def calibrate_classes(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Of a classifier's probabilities (N, K) and labels (N,), with what coverage= and max_error= need."""
    family = _Classes(log_probabilities(probabilities), labels)
    fitted = _fitted(family, "examples")
    rows = fitted.unseen[kept(len(fitted.unseen))]
    # In the precision of predictions, so that both round alike.
    p = family.probabilities(rows, fitted.calibration.scaling).astype(np.float32)
    scores = conformity_scores(p)[np.arange(len(rows)), labels[rows]]
    order = np.argsort(-p.max(axis=1), kind="stable")
    return replace(
        fitted.calibration,
        scores=np.sort(scores).astype(np.float32),
        confidence=p.max(axis=1)[order],
        correct=(p.argmax(axis=1) == labels[rows])[order],
    )


def calibrate_scores(scores: np.ndarray, correct: np.ndarray, *, what: str) -> Calibration:
    """Of single scores and whether each is right: (N,), such as boxes; or (N, K), of tags. what: one row, in a word."""
    return _fitted(_Scores(log_odds(scores), correct.astype(bool)), what).calibration


def calibrate_intervals(errors: np.ndarray) -> Calibration:
    """Of the errors (N, K) of predicted numbers, for intervals: there is no probability to correct."""
    return Calibration(method="none", scores=np.sort(np.abs(errors[kept(len(errors))]), axis=0))


class _Fitted(NamedTuple):
    """unseen: rows that serve the guarantees."""

    calibration: Calibration
    unseen: np.ndarray


def _fitted(family: _Family, what: str) -> _Fitted:
    size = len(family.x)
    rows = generator(0).permutation(size)
    halved = size >= HALVED
    fit_on, unseen = (np.sort(rows[: size // 2]), np.sort(rows[size // 2 :])) if halved else (np.sort(rows),) * 2
    method, crossed = _chosen(family, fit_on) if size >= FEWEST else ("none", unseen)
    scaling = None
    plain = family.probabilities(unseen, None)
    corrected = plain
    if method != "none":
        scaling = family.candidates(len(fit_on))[method](family.x[fit_on], family.y[fit_on])
        corrected = family.probabilities(unseen, scaling) if halved else crossed
    before = calibration_error_interval(*family.outcomes(unseen, plain)) if size else None
    after = calibration_error_interval(*family.outcomes(unseen, corrected)) if size else None
    calibration = Calibration(
        method=method,
        scaling=scaling,
        fitted=len(fit_on) if scaling else 0,
        what=what,
        measured=len(unseen),
        before=before,
        after=after,
    )
    return _Fitted(calibration, unseen)


def _chosen(family: _Family, rows: np.ndarray) -> tuple[str, np.ndarray]:
    """The method that is best on halves it was not fitted on, and the probabilities it gave there.

    A method replaces a simpler one when its loss is lower by more than a standard error, so that a model that is right
    to be as sure as it is stays as it is, when no fewer classes are right, and when the calibration error is no higher:
    the loss would also be lower for a correction of the classes and not of the confidence.
    """
    best, found = "none", family.probabilities(rows, None)
    losses, score = family.losses(rows, found), _score(family, rows, found)
    for name, fit in family.candidates(len(rows)).items():
        p = np.empty_like(found)
        for own in (0, 1):
            mine, other = np.arange(own, len(rows), 2), np.arange(1 - own, len(rows), 2)
            scaling = fit(family.x[rows[mine]], family.y[rows[mine]])
            p[other] = family.probabilities(rows[other], scaling)
        gains, other_score = losses - family.losses(rows, p), _score(family, rows, p)
        better = gains.mean() > gains.std() / np.sqrt(len(rows))
        if better and other_score.wrong <= score.wrong and other_score.error <= score.error:
            best, found, losses, score = name, p, family.losses(rows, p), other_score
    return best, found


class _Score(NamedTuple):
    """Wrong classes (0 for a score or tag, which is none by itself) and calibration error."""

    wrong: int
    error: float


def _score(family: _Family, rows: np.ndarray, p: np.ndarray) -> _Score:
    confidence, correct = family.outcomes(rows, p)
    wrong = int((~correct).sum()) if isinstance(family, _Classes) else 0
    return _Score(wrong, calibration_error(confidence, correct))
