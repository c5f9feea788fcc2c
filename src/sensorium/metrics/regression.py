"""Regression metrics. Shapes: N examples, K targets.

Computed in float64 on the CPU. The numbers agree with scikit-learn's and SciPy's, as tests show; neither is called,
because importing them takes seconds.
"""

from typing import NamedTuple

import numpy as np


class PerTarget(NamedTuple):
    """Of each target, (K,) float64: mean absolute error and root mean squared error in the target's units, coefficient
    of determination, Pearson's correlation. NaN where undefined: r2 for targets that are all the same, pearson for
    targets or predictions that are.
    """

    mae: np.ndarray
    rmse: np.ndarray
    r2: np.ndarray
    pearson: np.ndarray


def per_target(predictions: np.ndarray, targets: np.ndarray) -> PerTarget:
    """predictions, targets: (N, K)."""
    errors = predictions - targets
    true, predicted = _centered(targets), _centered(predictions)
    squared, spread, spread_predicted = ((values**2).sum(axis=0) for values in (errors, true, predicted))
    return PerTarget(
        mae=np.abs(errors).mean(axis=0),
        rmse=np.sqrt(squared / len(targets)),
        r2=1 - _ratio(squared, spread),
        pearson=_ratio((true * predicted).sum(axis=0), np.sqrt(spread) * np.sqrt(spread_predicted)),
    )


def summary(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """mae, rmse, r2 and pearson, each a mean over targets without those it is undefined for; omitted where it is
    undefined for all. predictions, targets: (N, K).
    """
    found = per_target(predictions, targets)._asdict()
    return {name: float(np.nanmean(values)) for name, values in found.items() if not np.isnan(values).all()}


def _centered(values: np.ndarray) -> np.ndarray:
    """Each column less its mean; exactly 0 for one that is the same everywhere."""
    return np.where(np.ptp(values, axis=0) == 0, 0.0, values - values.mean(axis=0))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)
