"""Multi-label metrics. Shapes: N examples, K labels.

Counted in integers, and sorted in float64, on the CPU: the same for any device, batch size or number of processes.
The numbers agree with scikit-learn, as tests show; it is not called, because importing its metrics takes two seconds,
which every `predict` would wait for.

A label without a positive example has no average precision and no recall, one that was never predicted has no
precision, one that is neither has no F1: those are NaN, and a mean over labels leaves them out.
"""

from typing import NamedTuple

import numpy as np


class PerLabel(NamedTuple):
    """average_precision, precision, recall, f1: (K,) float64, NaN where undefined. support: (K,) int64 positive
    examples. best_threshold: (K,) float64, the score from which predicting a label gives it the highest F1 on these
    examples, the largest of several; NaN without a positive example.
    """

    average_precision: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    best_threshold: np.ndarray


class Curve(NamedTuple):
    """precision, recall, thresholds: (T,) float64, a place for each different score, the highest first."""

    precision: np.ndarray
    recall: np.ndarray
    thresholds: np.ndarray


class Counts(NamedTuple):
    """Of each label, (K,) int64: examples that have it and were given it, that have it, that were given it."""

    correct: np.ndarray
    positive: np.ndarray
    predicted: np.ndarray

    def f1(self) -> np.ndarray:
        """(K,) float64."""
        return ratio(2 * self.correct, self.positive + self.predicted)

    def micro_f1(self) -> float:
        """The F1 of all decisions together."""
        return float(ratio(2 * self.correct.sum(), self.positive.sum() + self.predicted.sum()))


def precision_recall_curve(scores: np.ndarray, targets: np.ndarray) -> Curve:
    """scores: (N,). targets: (N,) 0 or 1, at least one of them 1. Equal scores make one place of the curve."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores = scores[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    correct = np.cumsum(targets[order], dtype=np.int64)[ends]
    return Curve(correct / (ends + 1), correct / correct[-1], sorted_scores[ends])


def average_precision(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(N, K) and (N, K) 0 or 1 -> (K,) float64: the mean of the precision over the steps in which recall grows."""
    return np.array([_average_precision(scores[:, k], targets[:, k]) for k in range(targets.shape[1])])


def counts(scores: np.ndarray, targets: np.ndarray, *, threshold: float) -> Counts:
    """scores, targets: (N, K). A label is predicted from a score of `threshold` on."""
    predicted, positive = scores >= threshold, targets > 0
    return Counts((predicted & positive).sum(0), positive.sum(0), predicted.sum(0))


def per_label(scores: np.ndarray, targets: np.ndarray, *, threshold: float) -> PerLabel:
    """scores, targets: (N, K)."""
    found = counts(scores, targets, threshold=threshold)
    return PerLabel(
        average_precision=average_precision(scores, targets),
        precision=ratio(found.correct, found.predicted),
        recall=ratio(found.correct, found.positive),
        f1=found.f1(),
        support=found.positive,
        best_threshold=np.array([_best_threshold(scores[:, k], targets[:, k]) for k in range(targets.shape[1])]),
    )


def summary(scores: np.ndarray, targets: np.ndarray, *, threshold: float) -> dict[str, float]:
    """map (the mean average precision over labels), micro_f1, macro_f1, and subset_accuracy, the share of examples
    with exactly their labels. scores, targets: (N, K).
    """
    found = counts(scores, targets, threshold=threshold)
    return {
        "map": mean(average_precision(scores, targets)),
        "micro_f1": found.micro_f1(),
        "macro_f1": mean(found.f1()),
        "subset_accuracy": float(np.mean(((scores >= threshold) == (targets > 0)).all(axis=1))),
    }


def mean(values: np.ndarray) -> float:
    """Of those that are defined; NaN when none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def _average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    if not targets.any():
        return float("nan")
    curve = precision_recall_curve(scores, targets)
    return float((np.diff(curve.recall, prepend=0.0) * curve.precision).sum())


def _best_threshold(scores: np.ndarray, targets: np.ndarray) -> float:
    if not targets.any():
        return float("nan")
    precision, recall, thresholds = precision_recall_curve(scores, targets)
    f1 = ratio(2 * precision * recall, precision + recall)
    return float(thresholds[np.nanargmax(f1)])
