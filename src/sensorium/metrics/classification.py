"""Classification metrics that do not depend on device, batch size or number of threads.

Everything is counted in integers or added up in float64, one example after another, on the CPU. The metrics agree
with scikit-learn and with torchmetrics, which are not called (docs/decisions/0015): the one takes twenty times as long,
the other adds up in float32 and gives a confidence of exactly 1 a calibration bin of its own.

Where a class has no example its recall is undefined, where it was never predicted its precision is, and where it is
neither its F1 is: those are NaN, and a mean over classes leaves them out.
"""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from sensorium.errors import RequestError, RunError

BINS = 15  # of the calibration error, as in Guo et al. 2017


class PerClass(NamedTuple):
    """precision, recall, f1: (K,) float64, NaN where undefined. support: (K,) int64 examples of the class."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


class Reliability(NamedTuple):
    """Examples binned by confidence: edges (bins + 1,); examples, correct, confidence: (bins,) sums."""

    edges: np.ndarray
    examples: np.ndarray
    correct: np.ndarray
    confidence: np.ndarray


class Outcomes(NamedTuple):
    """What the metrics need to know of each example, so that resampling examples is cheap.

    labels, predicted: (N,) int64. confidence: (N,) float64 probability of the predicted class. label_probability:
    (N,) float64. rank: (N,) int64 number of classes placed before the label, 0 when the prediction is right.
    """

    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    label_probability: np.ndarray
    rank: np.ndarray
    num_classes: int

    @property
    def correct(self) -> np.ndarray:
        """(N,) bool."""
        return self.rank == 0

    def take(self, rows: np.ndarray) -> "Outcomes":
        """The outcomes of these examples, which may repeat."""
        labels, predicted, confidence, label_probability, rank, _ = self
        return Outcomes(
            labels[rows], predicted[rows], confidence[rows], label_probability[rows], rank[rows], self.num_classes
        )

    def accuracy(self) -> float:
        """Share of examples whose most probable class is the label."""
        return float(np.mean(self.rank == 0))

    def top_k_accuracy(self, k: int) -> float:
        """Share of examples whose label is among the k most probable classes."""
        return float(np.mean(self.rank < k))

    def confusion_matrix(self) -> np.ndarray:
        """(K, K) int64 counts: a row is a true class, a column a predicted one."""
        cells = np.bincount(self.labels * self.num_classes + self.predicted, minlength=self.num_classes**2)
        return cells.reshape(self.num_classes, self.num_classes)

    def per_class(self) -> PerClass:
        """Precision, recall, F1 and number of examples of each class."""
        support, predicted, right = (
            np.bincount(values, minlength=self.num_classes)
            for values in (self.labels, self.predicted, self.labels[self.correct])
        )
        f1 = _ratio(2 * right, support + predicted)
        return PerClass(_ratio(right, predicted), _ratio(right, support), f1, support)

    def reliability(self, bins: int) -> Reliability:
        return reliability(self.confidence, self.correct, bins)

    def expected_calibration_error(self, bins: int) -> float:
        """Mean distance between confidence and accuracy over equally wide bins (Guo et al. 2017, equation 3)."""
        _, _, correct, confidence = self.reliability(bins)
        return float(np.abs(correct - confidence).sum() / len(self.labels))

    def negative_log_likelihood(self) -> float:
        """Mean of minus the natural logarithm of the label's probability: the cross-entropy, in nats."""
        return float(-np.log(self.label_probability).mean()) + 0.0  # no -0

    def summary(self) -> dict[str, float]:
        """accuracy, top5_accuracy (when K > 5), balanced_accuracy, macro_f1, calibration_error and loss.

        Balanced accuracy is the mean recall of the classes that have examples, macro F1 the mean of the classes that
        have examples or were predicted.
        """
        _, recall, f1, _ = self.per_class()
        top5 = {"top5_accuracy": self.top_k_accuracy(5)} if self.num_classes > 5 else {}
        return {
            "accuracy": self.accuracy(),
            **top5,
            "balanced_accuracy": float(np.nanmean(recall)),
            "macro_f1": float(np.nanmean(f1)),
            "calibration_error": self.expected_calibration_error(BINS),
            "loss": self.negative_log_likelihood(),
        }


def reliability(confidence: np.ndarray, correct: np.ndarray, bins: int) -> Reliability:
    """confidence: (N,) probabilities. correct: (N,) bool."""
    edges = np.linspace(0, 1, bins + 1)
    # Bin m is the interval ((m - 1) / bins, m / bins]. Rounding may bring a confidence a little over 1.
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    sums = (np.bincount(bin_of, weights=weights, minlength=bins) for weights in (None, correct, confidence))
    return Reliability(edges, *sums)


def outcomes(probabilities: Tensor, labels: Tensor) -> Outcomes:
    """Probabilities (N, K) and labels (N,) int64 -> what the metrics need of each example.

    Of classes with equal probability the one with the lower number comes first. A label's probability of 0, which
    would be an infinite loss, counts as the smallest positive number of the dtype: 87.3 nats in float32.
    Raises RequestError when there is no example or a label has no class, RunError when a probability is not a number.
    """
    p, y = _checked(probabilities, labels)
    rows, classes = np.arange(len(y)), np.arange(p.shape[1])
    of_label = p[rows, y][:, None]
    before = (p > of_label) | ((p == of_label) & (classes < y[:, None]))
    predicted = p.argmax(axis=1)
    return Outcomes(
        labels=y,
        predicted=predicted,
        confidence=p[rows, predicted].astype(np.float64),
        label_probability=np.maximum(of_label[:, 0], np.finfo(p.dtype).tiny).astype(np.float64),
        rank=before.sum(axis=1),
        num_classes=p.shape[1],
    )


def summary(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """The numbers of an evaluation, of `Outcomes.summary`."""
    return outcomes(probabilities, labels).summary()


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def _checked(probabilities: Tensor, labels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    p, y = probabilities.detach().cpu(), labels.detach().cpu().long()
    if p.ndim != 2 or y.shape != p.shape[:1] or not p.is_floating_point():
        raise ValueError(
            f"Probabilities must be float (N, K) and labels (N,), but are {p.dtype} {tuple(p.shape)} and "
            f"{tuple(y.shape)}."
        )
    if len(y) == 0:
        raise RequestError("There is no example to measure: the split is empty.")
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise RequestError(f"The labels reach from {y.min()} to {y.max()}, but the model has {p.shape[1]} classes.")
    # numpy has no bfloat16, and float16 has no number between 0 and 6e-8.
    p = p if p.itemsize >= 4 else p.float()
    finite = p.isfinite().all(dim=1)
    if not finite.all():
        first = int(finite.int().argmin())
        raise RunError(
            f"{len(y) - int(finite.sum())} of {len(y)} predictions are not numbers, the first for example {first}."
        )
    if p.min() < 0 or p.max() > 1.001:
        raise ValueError(f"Probabilities must lie in [0, 1], but reach from {p.min():.3g} to {p.max():.3g}: logits?")
    return p.numpy(), y.numpy()
