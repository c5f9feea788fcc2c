"""Calibration: whether what a model is sure of by 80% is right four times out of five, and what makes it so.

Every correction here is affine in the logarithm of the model's own probabilities: one scale (temperature scaling, Guo
et al. 2017, section 4.2), a scale and a bias for each class (vector scaling, ibid.), or for single scores a scale and a
bias of their log-odds (Platt 1999). One positive scale keeps the order of classes and of scores.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sensorium.metrics.classification import BINS
from sensorium.randomness import generator

SMALLEST = float(np.finfo(np.float32).tiny)  # probability that counts as 0: its logarithm is a number
MOST_FITTED = 20_000  # examples a correction is fitted on at most, evenly spaced
_SPREAD = 1.0  # standard deviation of the normal prior of every log scale and bias, around "as the model says"


class Scaling(NamedTuple):
    """log p -> scale * log p + bias. scale: (1,) or (K,) float64, above 0. bias: (0,), (1,) or (K,) float64."""

    scale: np.ndarray
    bias: np.ndarray


class CalibrationError(NamedTuple):
    """The expected calibration error, and the ends of its 95% bootstrap interval."""

    value: float
    low: float
    high: float


class BinnedGaps:
    """Confidence less accuracy by bins, kept for each group of examples, so that groups can be drawn again.

    confidence: (N, ...) probabilities. correct: bool, of the same shape. groups: (N,) numbers of what is drawn
    together, such as the boxes or pixels of one image; None where each of the N stands alone.
    """

    def __init__(
        self, confidence: np.ndarray, correct: np.ndarray, groups: np.ndarray | None = None, *, bins: int = BINS
    ) -> None:
        size, each = len(confidence), confidence[:1].size
        number = np.arange(size) if groups is None else np.unique(groups, return_inverse=True)[1]
        number = np.repeat(number, each)
        confidence, correct = confidence.ravel().astype(np.float64), correct.ravel()
        place = np.clip(np.searchsorted(np.linspace(0, 1, bins + 1), confidence, side="left") - 1, 0, bins - 1)
        self.size = int(number.max()) + 1 if size else 0  # groups
        gaps = np.bincount(number * bins + place, weights=correct - confidence, minlength=self.size * bins)
        self._gaps, self._counts = gaps.reshape(self.size, bins), np.bincount(number, minlength=self.size)

    def error(self, weights: np.ndarray | None = None) -> float:
        """The calibration error (Guo et al. 2017, equation 3). weights: (groups,) how often each was drawn."""
        if not self.size:
            return float("nan")
        if weights is None:
            weights = np.ones(self.size)
        return float(np.abs(weights @ self._gaps).sum() / (weights @ self._counts))


def calibration_error(confidence: np.ndarray, correct: np.ndarray, *, bins: int = BINS) -> float:
    """Mean distance between confidence and share of correct ones over equally wide bins (Guo et al. 2017, equation 3).

    confidence: probabilities of any shape. correct: bool, of the same shape. NaN without any.
    """
    together = np.zeros(len(confidence), dtype=np.int64)
    return BinnedGaps(confidence, correct, together, bins=bins).error()


def resampled_errors(measured: Sequence[BinnedGaps], *, resamples: int = 500, seed: int = 0) -> np.ndarray:
    """(resamples, M): calibration errors of M corrections of the same examples, on the same resamples of groups."""
    random, size = generator(seed), measured[0].size
    draws = (np.bincount(random.integers(size, size=size), minlength=size) for _ in range(resamples))
    return np.array([[one.error(weights) for one in measured] for weights in draws])


def calibration_error_interval(value: float, draws: np.ndarray) -> CalibrationError:
    """With its 95% interval by the basic bootstrap, reflected at the estimate as in `metrics.uncertainty`.

    The error overstates itself by chance, so that the interval of a small one may lie below it; it is widened to hold
    the value. draws: (resamples,) of `resampled_errors`.
    """
    low, high = np.quantile(draws, (0.025, 0.975))
    return CalibrationError(value, max(0.0, min(value, 2 * value - float(high))), max(value, 2 * value - float(low)))


def measured_error(measured: BinnedGaps, *, resamples: int = 500) -> CalibrationError:
    """Of at least one group, with its interval."""
    draws = resampled_errors([measured], resamples=resamples)[:, 0]
    return calibration_error_interval(measured.error(), draws)


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Natural logarithms, float64; of what is 0, that of the smallest positive float32."""
    logs: np.ndarray = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    return logs


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """log p - log (1 - p), float64; within 16, beyond which float32 cannot tell a probability from 0 or 1."""
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    odds: np.ndarray = np.log(p) - np.log1p(-p)
    return odds


def scaled_classes(logs: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Log-probabilities (N, K) -> probabilities (N, K) float64 that sum to 1."""
    scores = logs * scaling.scale
    if scaling.bias.size:
        scores = scores + scaling.bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: np.ndarray = scores / scores.sum(axis=1, keepdims=True)
    return probabilities


def scaled_scores(odds: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Log-odds of any shape (..., K) or (N,) -> probabilities float64."""
    scores = odds * scaling.scale
    if scaling.bias.size:
        scores = scores + scaling.bias
    probabilities: np.ndarray = 0.5 * (1 + np.tanh(scores / 2))
    return probabilities


def fit_classes(logs: np.ndarray, labels: np.ndarray, *, per_class: bool) -> Scaling:
    """The scaling with the highest likelihood of the labels, under a weak prior around no change at all.

    The prior counts as little as one example does, and keeps a model that is right every time from being made certain.
    logs: (N, K) log-probabilities. labels: (N,). per_class: vector scaling; else one temperature.
    """
    rows = _spaced(len(labels))
    logs, labels = logs[rows], labels[rows]
    size, classes = logs.shape
    scales = classes if per_class else 1

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale = np.exp(parameters[:scales])
        found = scaled_classes(logs, Scaling(scale, parameters[scales:]))
        likelihood = np.log(np.maximum(found[np.arange(size), labels], SMALLEST)).sum()
        found[np.arange(size), labels] -= 1  # now the gradient of the scores
        by_class = (found * logs).sum(axis=0)
        gradient = (by_class if per_class else by_class.sum(keepdims=True)) * scale
        parts = [gradient, found.sum(axis=0)] if per_class else [gradient]
        return _with_prior(parameters, -float(likelihood), np.concatenate(parts), size)

    found = _minimized(loss, scales + (classes if per_class else 0))
    return Scaling(np.exp(found[:scales]), found[scales:])


def fit_scores(odds: np.ndarray, correct: np.ndarray, *, bias: bool) -> Scaling:
    """Likewise of single scores: a scale of their log-odds, and a bias (Platt 1999) where wanted.

    odds: (N,). correct: (N,) bool.
    """
    rows = _spaced(len(odds))
    odds, correct = odds[rows], correct[rows].astype(np.float64)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale = np.exp(parameters[:1])
        scores = odds * scale + (parameters[1] if bias else 0)
        cost = (np.logaddexp(0, scores) - correct * scores).sum()
        off = 0.5 * (1 + np.tanh(scores / 2)) - correct
        gradient = [(off * odds).sum() * scale[0], *([off.sum()] if bias else [])]
        return _with_prior(parameters, float(cost), np.array(gradient), len(odds))

    found = _minimized(loss, 2 if bias else 1)
    return Scaling(np.exp(found[:1]), found[1:])


def _with_prior(parameters: np.ndarray, cost: float, gradient: np.ndarray, size: int) -> tuple[float, np.ndarray]:
    """A mean over examples, with the normal prior of all parameters."""
    prior = float((parameters**2).sum()) / (2 * _SPREAD**2)
    return (cost + prior) / max(1, size), (gradient + parameters / _SPREAD**2) / max(1, size)


def _minimized(loss: object, count: int) -> np.ndarray:
    from scipy.optimize import minimize  # takes half a second to import

    # A temperature from 1/20 to 20: what lies beyond is a model that has learned nothing, or all by heart.
    found = minimize(loss, np.zeros(count), jac=True, method="L-BFGS-B", bounds=[(-3.0, 3.0)] * count)
    best: np.ndarray = found.x
    return best


def _spaced(size: int) -> np.ndarray:
    """Rows of at most MOST_FITTED examples."""
    return np.unique(np.linspace(0, size - 1, min(size, MOST_FITTED)).astype(np.int64))
