"""Uncertainty of a metric from the sampling of the test set.

The training's own luck (initial weights, order) is not in these intervals: for that, train with several seeds.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from sensorium.metrics.classification import outcomes
from sensorium.randomness import generator

Interval = tuple[float, float]
Measure = Callable[[np.ndarray], Mapping[str, float]]  # from rows, which may repeat, to the metrics of these examples


def bootstrap_intervals(
    *, probabilities: Tensor, labels: Tensor, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Low and high end for every metric of `classification.summary`, by the percentile bootstrap.

    Each resample draws N of the N examples with replacement; the interval spans the middle `level` of the metric's
    values (Efron and Tibshirani 1993, section 13.3). Shares of examples (accuracy and top-5 accuracy) have Wilson's
    interval at 95%, which is no point where all are right; other metrics that are the same in all resamples have none.
    The calibration error grows by being resampled, as any distance does, so its interval is reflected at the estimate
    (the basic bootstrap): the values themselves would leave out the truth for a well calibrated model. It is widened
    where it would not hold the estimate. probabilities: (N, K). labels: (N,).
    """
    measured = outcomes(probabilities, labels)
    random = generator(seed)
    size = len(measured.labels)
    draws = [measured.take(random.integers(size, size=size)).summary() for _ in range(resamples)]
    values = {key: np.array([draw[key] for draw in draws]) for key in draws[0]}
    intervals = {key: _middle(found, level) for key, found in values.items() if not _is_constant(found)}
    estimates = measured.summary()
    shares = {key: round(estimates[key] * size) for key in ("accuracy", "top5_accuracy") if key in estimates}
    intervals |= {key: wilson_interval(right, size) for key, right in shares.items()}
    if "calibration_error" in intervals:
        estimate, (low, high) = estimates["calibration_error"], intervals["calibration_error"]
        reflected = (max(0.0, min(estimate, 2 * estimate - high)), max(estimate, 2 * estimate - low))
        intervals["calibration_error"] = reflected
    return {key: intervals[key] for key in values if key in intervals}


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
    """Of a share of `total` independent examples, 95% (Wilson 1927): never a point, also where all are right or none.

    total: at least 1.
    """
    z = 1.959963984540054  # what 2.5% of a normal distribution lie above
    share, spread = successes / total, z * z / total
    center = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    # Exactly, at the ends: rounding would leave a hair.
    return 0.0 if successes == 0 else center - half, 1.0 if successes == total else center + half


def bootstrap_interval(
    measure: Callable[[np.ndarray], float], size: int, *, resamples: int = 1000, seed: int = 0
) -> Interval | None:
    """Of any metric, 95% by the percentile bootstrap, without resamples for which it is undefined (NaN).

    measure: from rows (size,), which may repeat, to the metric of these examples. None for fewer than
    two examples, and when no resample has a value or all have the same, as for a model without any error: a point would
    claim certainty.
    """
    if size < 2:
        return None
    random = generator(seed)
    values = _finite([measure(random.integers(size, size=size)) for _ in range(resamples)])
    return None if _is_constant(values) else _middle(values, 0.95)


def metric_intervals(measure: Measure, size: int, *, resamples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """As `bootstrap_interval`, of every metric that has an interval."""
    if size < 2:
        return {}
    random = generator(seed)
    draws = [measure(random.integers(size, size=size)) for _ in range(resamples)]
    values = {name: _finite([draw.get(name, math.nan) for draw in draws]) for draw in draws for name in draw}
    return {name: _middle(found, 0.95) for name, found in values.items() if not _is_constant(found)}


def paired_bootstrap(
    a: Measure, b: Measure, size: int, *, names: Sequence[str], resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """Whether model `a` is better than model `b` by metrics of the same examples, both measured on the same resamples.

    Returns NAME_a and NAME_b, their difference (a minus b), low and high end of its 95% interval, and p_value: how
    often a difference at least as large would come about if both were equally good, from resamples whose differences
    are shifted to have a mean of 0 (Koehn 2004; Riezler and Maxwell 2005, section 3.2; as sacrebleu computes it). The
    last four are called so for the first of `names`, and NAME_difference and so on for the others. Metrics that one
    of the models has no value of are omitted.
    """
    every = np.arange(size)
    whole_a, whole_b = a(every), b(every)
    random = generator(seed)
    draws = [(a(rows), b(rows)) for rows in (random.integers(size, size=size) for _ in range(resamples))]
    found: dict[str, float] = {}
    for name in names:
        if name not in whole_a or name not in whole_b:
            continue
        differences = _finite([of_a.get(name, math.nan) - of_b.get(name, math.nan) for of_a, of_b in draws])
        difference = whole_a[name] - whole_b[name]
        before = "" if name == names[0] else f"{name}_"
        found |= {f"{name}_a": whole_a[name], f"{name}_b": whole_b[name], f"{before}difference": difference}
        if len(differences):
            low, high = _middle(differences, 0.95)
            found |= {f"{before}low": low, f"{before}high": high}
            found[f"{before}p_value"] = _shifted_p_value(differences, difference)
    return found


def _shifted_p_value(differences: np.ndarray, difference: float) -> float:
    as_large = np.abs(differences - differences.mean()) >= abs(difference)
    return float((as_large.sum() + 1) / (len(differences) + 1))


def _finite(values: Sequence[float]) -> np.ndarray:
    found = np.array(values, dtype=np.float64)
    return found[np.isfinite(found)]


def _is_constant(values: np.ndarray) -> bool:
    """Whether there are no two values that differ by more than rounding."""
    return len(values) == 0 or bool(np.ptp(values) <= 1e-9 * np.abs(values).max())


def _middle(values: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
