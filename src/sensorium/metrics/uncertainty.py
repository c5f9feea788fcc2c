"""Uncertainty of a metric from the sampling of the test set.

The training's own luck (initial weights, order) is not in these intervals: for that, train with several seeds.
"""

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor

from sensorium.metrics.classification import BINS, outcomes
from sensorium.randomness import generator

Interval = tuple[float, float]


def bootstrap_intervals(
    *, probabilities: Tensor, labels: Tensor, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Low and high end for every metric of `classification.summary`, by the percentile bootstrap.

    Each resample draws N of the N examples with replacement; the interval spans the middle `level` of the metric's
    values (Efron and Tibshirani 1993, section 13.3). The calibration error grows by being resampled, as any distance
    does, so its interval is reflected at the estimate (the basic bootstrap): the values themselves would leave out the
    truth for a well calibrated model. A model without any error gets (1, 1) as accuracy; its error rate may still be
    up to about 3 / N. probabilities: (N, K). labels: (N,).
    """
    measured = outcomes(probabilities, labels)
    random = generator(seed)
    size = len(measured.labels)
    draws = [measured.take(random.integers(size, size=size)).summary() for _ in range(resamples)]
    intervals = {key: _middle(np.array([draw[key] for draw in draws]), level) for key in draws[0]}
    estimate = measured.expected_calibration_error(BINS)
    low, high = intervals["calibration_error"]
    return intervals | {"calibration_error": (max(0.0, 2 * estimate - high), max(0.0, 2 * estimate - low))}


def paired_comparison(
    *, a: Tensor, b: Tensor, labels: Tensor, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, float]:
    """Whether model `a` is better than model `b` on the same examples.

    a, b: (N, K) probabilities of the two models. labels: (N,).
    Returns accuracy_a, accuracy_b, their difference (a minus b) with low and high end of its bootstrap interval, the
    numbers of examples only_a_right and only_b_right, and McNemar's exact two-sided p_value: how probable a split of
    those examples at least so uneven is when both models are equally good (McNemar 1947; Dietterich 1998, section 3.1).
    """
    right_a, right_b = outcomes(a, labels).correct, outcomes(b, labels).correct
    size = len(right_a)
    only_a, only_b = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    # Resampling rows changes the difference only through these counts, which makes them multinomial.
    shares = np.array([only_a, only_b, size - only_a - only_b]) / size
    draws = generator(seed).multinomial(size, shares, size=resamples)
    low, high = _middle((draws[:, 0] - draws[:, 1]) / size, level)
    return {
        "accuracy_a": float(np.mean(right_a)),
        "accuracy_b": float(np.mean(right_b)),
        "difference": (only_a - only_b) / size,
        "low": low,
        "high": high,
        "only_a_right": only_a,
        "only_b_right": only_b,
        "p_value": sign_test(only_a, only_b),
    }


def sign_test(wins: int, losses: int) -> float:
    """Two-sided probability of a split at least so uneven in wins + losses throws of a fair coin, exactly."""
    from scipy.stats import binomtest  # takes a second, and only a comparison of two models needs it

    throws = wins + losses
    return float(binomtest(wins, throws).pvalue) if throws else 1.0


def wilson_interval(successes: int, total: int) -> Interval:
    """Of a share of `total` independent examples, 95 % (Wilson 1927): never a point, also where all are right or none.

    total: at least 1.
    """
    z = 1.959963984540054  # what 2.5 % of a normal distribution lie above
    share, spread = successes / total, z * z / total
    center = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    # Exactly, at the ends: rounding would leave a hair.
    return 0.0 if successes == 0 else center - half, 1.0 if successes == total else center + half


def bootstrap_interval(
    measure: Callable[[np.ndarray], float], size: int, *, resamples: int = 1000, seed: int = 0
) -> Interval | None:
    """Of any metric, 95 % by the percentile bootstrap, without resamples for which it is undefined (NaN).

    measure: from rows (size,), which may repeat, to the metric of these examples. None where nothing can be drawn: for
    fewer than two examples, or when no resample has a value.
    """
    if size < 2:
        return None
    random = generator(seed)
    values = np.array([measure(random.integers(size, size=size)) for _ in range(resamples)], dtype=np.float64)
    values = values[np.isfinite(values)]
    return _middle(values, 0.95) if len(values) else None


def _middle(values: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
