"""Out-of-distribution detection: whether an input is unlike the training data, by the features a model makes of it.

K. Lee, K. Lee, H. Lee and J. Shin, "A simple unified framework for detecting out-of-distribution samples and
adversarial attacks", 2018, arXiv 1807.03888: the Mahalanobis distance from an input's penultimate features to the
nearest class mean, under one covariance for all classes. Features are scaled to length 1 first, as in M. Mueller and
M. Hein, "Mahalanobis++", 2025, arXiv 2505.18032; of recurrent networks, whose features shrink for what they do not
know, the distance of plain features is no use at all (docs/decisions/0041). The threshold is the distance
within which 95% of the validation examples lie, so that about one in twenty inputs like the training data is flagged.

A detector is data from a file: `from_dict` takes nothing on trust.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.errors import RequestError

INSIDE = 0.95  # share of validation examples within the threshold
MOST_EXAMPLES = 5000  # training examples that it is fitted on
FEWEST = 20  # training examples, and validation examples, below which nothing is fitted
_MOST_FEATURES = 2048  # of an example: 8 MB in a checkpoint
_MOST_MEANS = 2_000_000  # values of all class means: 8 MB
_SHRINKAGE = 1e-3  # of the mean variance, added to each: directions without variance keep a finite distance


@dataclass(frozen=True, kw_only=True)
class OutOfDistribution:
    """center: (F,) float32 mean of all training features. whitening: (F, F) float16, 1 at most, that `scale` times
    makes distances those of Mahalanobis. means: (K, F) float32 of the classes, centered and whitened. threshold: of the
    distance. fitted, measured: training and validation examples that they are from.
    """

    center: np.ndarray
    whitening: np.ndarray
    scale: float
    means: np.ndarray
    threshold: float
    fitted: int
    measured: int

    def distances(self, features: np.ndarray) -> np.ndarray:
        """(B, F) float32 of examples -> (B,) float64; infinite where they are no numbers."""
        known = np.isfinite(features).all(axis=1)
        centered = _unit(np.where(known[:, None], features, 0)) - self.center
        white = centered @ self.whitening.astype(np.float64) * self.scale
        means = self.means.astype(np.float64)
        squares = (white**2).sum(axis=1)[:, None] + (means**2).sum(axis=1) - 2 * white @ means.T
        return np.where(known, np.sqrt(np.maximum(squares.min(axis=1), 0)), np.inf)

    def flags(self, features: np.ndarray) -> np.ndarray:
        """(B, F) -> (B,) bool: which are farther from every class than 95% of the validation examples from theirs."""
        found: np.ndarray = self.distances(features) > self.threshold
        return found

    def line(self) -> str:
        """What it was fitted on, for the training's log."""
        return (
            f"out-of-distribution detector fitted on {self.fitted:,} training examples; threshold {self.threshold:.3f},"
            f" within which {INSIDE:.0%} of {self.measured:,} validation examples lie"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain types and tensors, as a checkpoint stores it."""
        arrays = {name: torch.from_numpy(getattr(self, name).copy()) for name in ("center", "whitening", "means")}
        plain = {name: getattr(self, name) for name in ("scale", "threshold", "fitted", "measured")}
        return arrays | plain

    def to_json(self) -> dict[str, Any]:
        """What a program without PyTorch needs: arrays as base64 of their little-endian bytes."""
        kinds = {"center": "<f4", "whitening": "<f2", "means": "<f4"}
        arrays = {
            name: base64.b64encode(getattr(self, name).astype(kind).tobytes()).decode() for name, kind in kinds.items()
        }
        return arrays | {"scale": self.scale, "threshold": self.threshold}

    @classmethod
    def from_dict(cls, values: Any) -> "OutOfDistribution":
        """The inverse of `to_dict`. Raises ValueError with what is wrong."""
        _check(isinstance(values, Mapping), "it is no table")
        center, means = (_array(values, name, torch.float32) for name in ("center", "means"))
        whitening = _array(values, "whitening", torch.float16)
        _check(center.ndim == 1 and 0 < len(center) <= _MOST_FEATURES, "center has another shape")
        _check(whitening.shape == (len(center), len(center)), "whitening has another shape")
        _check(means.ndim == 2 and len(means) > 0 and means.shape[1] == len(center), "means have another shape")
        _check(means.size <= _MOST_MEANS, "there are too many means")
        numbers = [values.get(name) for name in ("scale", "threshold")]
        _check(all(isinstance(one, float) and 0 <= one < 1e9 for one in numbers), "scale or threshold is no number")
        counts = [values.get(name) for name in ("fitted", "measured")]
        _check(all(isinstance(one, int) and 0 <= one < 2**40 for one in counts), "fitted or measured is no count")
        scale, threshold = numbers
        fitted, measured = counts
        return cls(
            center=center,
            whitening=whitening,
            scale=scale,
            means=means,
            threshold=threshold,
            fitted=fitted,
            measured=measured,
        )


def fit(training: np.ndarray, validation: np.ndarray, classes: np.ndarray | None) -> OutOfDistribution:
    """Of features (N, F) and (M, F) float32. classes: (N,) int64 of the training examples, below 0 where unknown; None
    for a task whose examples are of no class.

    Raises RequestError for too few examples, too many features, and features that are no numbers.
    """
    classes = np.zeros(len(training), dtype=np.int64) if classes is None else classes
    used = np.isfinite(training).all(axis=1) & (classes >= 0)
    names, of = np.unique(classes[used], return_inverse=True)
    size, width = int(used.sum()), training.shape[1]
    if min(size, len(validation)) < FEWEST:
        raise RequestError(
            f"it needs at least {FEWEST} training and {FEWEST} validation examples; found {size} and {len(validation)}"
        )
    if width > _MOST_FEATURES or len(names) * width > _MOST_MEANS:
        raise RequestError(f"{width:,} features of {len(names):,} classes are too many to keep in a checkpoint")
    unit = _unit(training[used])
    center = unit.mean(axis=0)
    sums = np.zeros((len(names), width))
    np.add.at(sums, of, unit - center)
    means = sums / np.bincount(of)[:, None]
    within = unit - center - means[of]
    variances, directions = np.linalg.eigh(within.T @ within / size)
    spread = np.maximum(variances, 0) + _SHRINKAGE * max(float(variances.mean()), 1e-12)
    whitening = directions / np.sqrt(spread)
    scale = float(np.abs(whitening).max())
    stored = (whitening / scale).astype(np.float16)
    detector = OutOfDistribution(
        center=center.astype(np.float32),
        whitening=stored,
        scale=scale,
        means=(means @ stored.astype(np.float64) * scale).astype(np.float32),
        threshold=0.0,
        fitted=size,
        measured=len(validation),
    )
    distances = np.sort(detector.distances(validation))
    # The smallest distance that so many validation examples do not exceed, as in split conformal prediction.
    threshold = float(distances[min(len(distances), math.ceil(INSIDE * (len(distances) + 1))) - 1])
    if not math.isfinite(threshold):
        raise RequestError("the features of validation examples are no numbers")
    return replace(detector, threshold=threshold)


def _unit(features: np.ndarray) -> np.ndarray:
    values = features.astype(np.float64)
    unit: np.ndarray = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return unit


def _array(values: Mapping[str, Any], name: str, dtype: torch.dtype) -> np.ndarray:
    found = values.get(name)
    if not isinstance(found, Tensor) or found.dtype != dtype:
        raise ValueError(f"{name} is no tensor of {dtype}")
    _check(bool(found.isfinite().all()), f"{name} holds what is no number")
    array: np.ndarray = found.numpy()
    return array


def _check(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)
