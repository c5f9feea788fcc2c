"""A calibration from a model's results on validation examples: which correction, how good, and what guarantees need.

Cross-fitting: each fifth of the examples is corrected by what was fitted on the other four, and that is what
corrections are chosen by, what the calibration error is measured on and what serves the guarantees. The correction of
the checkpoint is then fitted on all of them (docs/decisions/0037).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sensorium.data.base import counted
from sensorium.metrics.calibration import (
    MOST_FITTED,
    SMALLEST,
    BinnedGaps,
    CalibrationError,
    Scaling,
    calibration_error_interval,
    fit_classes,
    fit_scores,
    log_odds,
    log_probabilities,
    resampled_errors,
    scaled_classes,
    scaled_scores,
)
from sensorium.metrics.conformal import conformity_scores
from sensorium.randomness import generator
from sensorium.tasks.calibration import FEWEST, FOLDS, Calibration, kept

FEWEST_GROUPS = 20  # images or utterances below which nothing is fitted to their boxes, pixels or words
_GROUPS = {"pixels": "image", "boxes": "image", "words": "recording"}
EACH = 20  # examples for each number of a correction that has several for each class
SURE = 0.9  # share of the resamples in which a correction must lower the calibration error
Fit = Callable[[np.ndarray, np.ndarray], Scaling]


class _Family(ABC):
    """What is corrected. x: (N, ...) what a scaling works on. y: (N, ...) the truth. classes: whether a correction may
    change what is predicted; a score or tag decides nothing by itself.
    """

    classes = False

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    @abstractmethod
    def candidates(self, size: int) -> dict[str, Fit]:
        """Corrections by method, the simplest first, for a fit on `size` examples."""

    @abstractmethod
    def probabilities(self, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        """Of these examples."""

    @abstractmethod
    def losses(self, p: np.ndarray) -> np.ndarray:
        """(N,) of all examples, in nats."""

    @abstractmethod
    def outcomes(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Confidence, and whether it is right, of all examples."""


class _Classes(_Family):
    """x: log-probabilities (N, K). y: labels (N,)."""

    classes = True

    def candidates(self, size: int) -> dict[str, Fit]:
        found: dict[str, Fit] = {"temperature": lambda x, y: fit_classes(x, y, per_class=False)}
        if min(size, MOST_FITTED) >= EACH * 2 * self.x.shape[1]:  # two numbers a class
            found["vector"] = lambda x, y: fit_classes(x, y, per_class=True)
        return found

    def probabilities(self, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        return np.exp(self.x[rows]) if scaling is None else scaled_classes(self.x[rows], scaling)

    def losses(self, p: np.ndarray) -> np.ndarray:
        found: np.ndarray = -np.log(np.maximum(p[np.arange(len(p)), self.y], SMALLEST))
        return found

    def outcomes(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return p.max(axis=1), p.argmax(axis=1) == self.y


class _Pixels(_Classes):
    """Of images that are cut into classes: one temperature, which changes no mask."""

    def candidates(self, size: int) -> dict[str, Fit]:
        return {"temperature": super().candidates(size)["temperature"]}


class _Scores(_Family):
    """x: log-odds (N,) or (N, K). y: bool, of the same shape."""

    def candidates(self, size: int) -> dict[str, Fit]:
        if self.x.ndim == 2:
            return {"temperature": _each_column}
        return {"platt": lambda x, y: fit_scores(x, y, bias=True)}

    def probabilities(self, rows: np.ndarray, scaling: Scaling | None) -> np.ndarray:
        return scaled_scores(self.x[rows], scaling or Scaling(np.ones(1), np.zeros(0)))

    def losses(self, p: np.ndarray) -> np.ndarray:
        of_truth = np.maximum(np.where(self.y, p, 1 - p), SMALLEST)
        found: np.ndarray = -np.log(of_truth).mean(axis=tuple(range(1, p.ndim)))
        return found

    def outcomes(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return p, self.y


def _each_column(odds: np.ndarray, correct: np.ndarray) -> Scaling:
    """A temperature for each tag; without a bias, so that a probability of 0.5 stays one."""
    scales = [fit_scores(odds[:, tag], correct[:, tag], bias=False).scale for tag in range(odds.shape[1])]
    return Scaling(np.concatenate(scales), np.zeros(0))


def calibrate_classes(probabilities: np.ndarray, labels: np.ndarray) -> Calibration:
    """Of a classifier's probabilities (N, K) and labels (N,), with what coverage= and max_error= need."""
    found = _fitted(_Classes(log_probabilities(probabilities), labels), "examples", None)
    rows = kept(len(labels))
    p = found.crossed[rows].astype(np.float32)  # in the precision of predictions, so that both round alike
    scores = conformity_scores(p)[np.arange(len(rows)), labels[rows]]
    order = np.argsort(-p.max(axis=1), kind="stable")
    return replace(
        found.calibration,
        scores=np.sort(scores).astype(np.float32),
        confidence=p.max(axis=1)[order],
        correct=(p.argmax(axis=1) == labels[rows])[order],
    )


def calibrate_pixels(probabilities: np.ndarray, labels: np.ndarray, images: np.ndarray) -> Calibration:
    """Of a segmenter's probabilities (M, K) of pixels, their labels (M,) and the numbers (M,) of their images."""
    return _fitted(_Pixels(log_probabilities(probabilities), labels), "pixels", images).calibration


def calibrate_scores(
    scores: np.ndarray, correct: np.ndarray, *, what: str, groups: np.ndarray | None = None
) -> Calibration:
    """Of single scores and whether each is right: (N,), such as boxes; or (N, K), of tags. what: the rows, in a word.
    groups: (N,) numbers of what the rows belong to, such as the images of boxes.
    """
    return _fitted(_Scores(log_odds(scores), correct.astype(bool)), what, groups).calibration


def calibrate_intervals(errors: np.ndarray) -> Calibration:
    """Of the errors (N, K) of predicted numbers, for intervals: there is no probability to correct."""
    return Calibration(method="none", scores=np.sort(np.abs(errors[kept(len(errors))]), axis=0))


class _Fitted(NamedTuple):
    """crossed: probabilities of all rows, each corrected by what was fitted on others."""

    calibration: Calibration
    crossed: np.ndarray


class _Trial(NamedTuple):
    """A correction on examples that it was not fitted on. wrong: classes (0 for scores, which are none)."""

    method: str
    p: np.ndarray
    losses: np.ndarray
    gaps: BinnedGaps
    wrong: int


def _fitted(family: _Family, what: str, groups: np.ndarray | None) -> _Fitted:
    """groups: (N,) of what is drawn and held out together; None where rows stand alone."""
    size = len(family.x)
    number = np.arange(size) if groups is None else np.unique(groups, return_inverse=True)[1]
    plain = _trial(family, "none", family.probabilities(np.arange(size), None), number)
    unfitted = _too_few(size, what, None if groups is None else plain.gaps.size)
    best = plain if unfitted else _chosen(family, plain, number)
    scaling = None
    if best is not plain:
        scaling = family.candidates(size)[best.method](family.x, family.y)
    before, after = _errors(plain, best)
    calibration = Calibration(
        method=best.method,
        scaling=scaling,
        fitted=0 if unfitted else min(size, MOST_FITTED),
        what=what,
        unfitted=unfitted,
        measured=size,
        before=before,
        after=after,
    )
    return _Fitted(calibration, best.p)


def _too_few(size: int, what: str, groups: int | None) -> str:
    """Why nothing can be fitted to so many rows, of so many groups; "" where it can."""
    if not size:
        return f"the model predicts no {what} on the validation split"
    if groups is not None and groups < FEWEST_GROUPS:
        found, needed = counted(groups, f"validation {_GROUPS[what]}"), FEWEST_GROUPS
    elif size < FEWEST:
        found, needed = f"{size:,} validation {what}", FEWEST
    else:
        return ""
    return f"{found}: too few to fit a correction (at least {needed})"


def _errors(plain: _Trial, best: _Trial) -> list[CalibrationError] | tuple[None, None]:
    """Before and after, on the same resamples."""
    if not plain.gaps.size:
        return None, None
    trials = (plain, best)
    draws = resampled_errors([one.gaps for one in trials])
    return [calibration_error_interval(one.gaps.error(), draws[:, at]) for at, one in enumerate(trials)]


def _chosen(family: _Family, plain: _Trial, number: np.ndarray) -> _Trial:
    """The best correction on examples that it was not fitted on.

    A correction replaces a simpler one, or none, when its loss is lower by more than a standard error, when no fewer
    classes are right, and when the calibration error is lower, in SURE of the resamples: the loss would also be lower
    for a correction of the classes and not of the confidence. So a model that is right to be as sure as it is stays so.
    """
    folds = generator(0).permutation(plain.gaps.size)[number] % FOLDS
    best = plain
    for name, fit in family.candidates(len(number)).items():
        p = np.empty_like(plain.p)
        for fold in range(FOLDS):
            mine, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
            p[mine] = family.probabilities(mine, fit(family.x[others], family.y[others]))
        trial = _trial(family, name, p, number)
        if trial.wrong <= best.wrong and _lower_loss(best, trial, number) and _better_calibrated(best, trial):
            best = trial
    return best


def _trial(family: _Family, method: str, p: np.ndarray, number: np.ndarray) -> _Trial:
    confidence, correct = family.outcomes(p)
    wrong = int((~correct).sum()) if family.classes else 0
    return _Trial(method, p, family.losses(p), BinnedGaps(confidence, correct, number), wrong)


def _lower_loss(one: _Trial, other: _Trial, number: np.ndarray) -> bool:
    """By more than a standard error, in which the rows of a group count together."""
    gains = one.losses - other.losses
    off = np.bincount(number, weights=gains - gains.mean())
    return bool(gains.mean() > np.sqrt((off**2).sum()) / len(gains))


def _better_calibrated(one: _Trial, other: _Trial) -> bool:
    if other.gaps.error() >= one.gaps.error():
        return False
    draws = resampled_errors([one.gaps, other.gaps])
    return bool((draws[:, 1] < draws[:, 0]).mean() >= SURE)
