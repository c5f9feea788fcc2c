"""Metrics against numbers worked out by hand, and against scikit-learn and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics
from torchmetrics.functional.classification.accuracy import multiclass_accuracy
from torchmetrics.functional.classification.calibration_error import multiclass_calibration_error
from torchmetrics.functional.classification.f_beta import multiclass_f1_score

from sensorium.errors import RequestError, RunError
from sensorium.metrics.classification import outcomes, summary

TABLE = torch.tensor(
    [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]],
    dtype=torch.float64,
)
LABELS = torch.tensor([0, 1, 1, 1, 2, 2])  # predicted: 0 1 0 1 2 0


def random_case(n=500, k=7, present=7):
    """Probabilities of a fairly good model; labels only from the first `present` classes."""
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(present, (n,), generator=random)
    logits = torch.randn(n, k, generator=random, dtype=torch.float64)
    logits[torch.arange(n), labels] += 1.5
    return logits.softmax(1), labels


def test_metrics_by_hand():
    assert outcomes(TABLE, LABELS).confusion_matrix().tolist() == [[1, 0, 0], [1, 2, 0], [1, 0, 1]]
    assert outcomes(TABLE, LABELS).accuracy() == pytest.approx(4 / 6)
    assert outcomes(TABLE, LABELS).top_k_accuracy(k=2) == pytest.approx(5 / 6)
    assert summary(TABLE, LABELS)["balanced_accuracy"] == pytest.approx((1 + 2 / 3 + 1 / 2) / 3)
    assert summary(TABLE, LABELS)["macro_f1"] == pytest.approx((1 / 2 + 4 / 5 + 2 / 3) / 3)
    table = outcomes(TABLE, LABELS).per_class()
    assert table.precision.tolist() == pytest.approx([1 / 3, 1, 1])
    assert table.recall.tolist() == pytest.approx([1, 2 / 3, 1 / 2])
    assert table.f1.tolist() == pytest.approx([1 / 2, 4 / 5, 2 / 3])
    assert table.support.tolist() == [1, 3, 2]
    product = 0.7 * 0.8 * 0.3 * 0.5 * 0.4 * 0.1
    assert outcomes(TABLE, LABELS).negative_log_likelihood() == pytest.approx(-math.log(product) / 6)


def test_calibration_error_by_hand():
    # Five bins: (0.2, 0.4] holds 0.4 (right); (0.4, 0.6] holds 0.6, 0.5, 0.5 (one right); (0.6, 0.8] 0.7, 0.8 (right).
    expected = (abs(1 - 0.4) + abs(1 - 1.6) + abs(2 - 1.5)) / 6
    assert outcomes(TABLE, LABELS).expected_calibration_error(bins=5) == pytest.approx(expected)


def test_full_confidence_is_in_the_last_bin():
    probabilities = torch.tensor([[1.0, 0.0], [0.95, 0.05]], dtype=torch.float64)
    error = outcomes(probabilities, torch.tensor([1, 0])).expected_calibration_error(bins=10)
    assert error == pytest.approx(abs(1 - 1.95) / 2)


def test_summary_has_the_documented_keys():
    values = summary(TABLE, LABELS)
    assert list(values) == ["accuracy", "balanced_accuracy", "macro_f1", "calibration_error", "loss"]
    probabilities, labels = random_case()
    values = summary(probabilities, labels)
    assert values["top5_accuracy"] == outcomes(probabilities, labels).top_k_accuracy(k=5)
    assert values["accuracy"] == outcomes(probabilities, labels).accuracy()
    table = outcomes(probabilities, labels).per_class()
    assert values["balanced_accuracy"] == table.recall.mean()
    assert values["macro_f1"] == table.f1.mean()
    assert values["calibration_error"] == outcomes(probabilities, labels).expected_calibration_error(bins=15)
    assert values["loss"] == outcomes(probabilities, labels).negative_log_likelihood()


@pytest.mark.parametrize("present", [7, 5])
def test_agrees_with_sklearn(present):
    probabilities, labels = random_case(present=present)
    p, y = probabilities.numpy(), labels.numpy()
    predicted, classes = p.argmax(1), range(7)
    values = summary(probabilities, labels)
    assert values["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(y, predicted))
    assert values["macro_f1"] == pytest.approx(sklearn_metrics.f1_score(y, predicted, average="macro"))
    assert values["loss"] == pytest.approx(sklearn_metrics.log_loss(y, p, labels=classes))
    top5 = sklearn_metrics.top_k_accuracy_score(y, p, k=5, labels=classes)
    assert values["top5_accuracy"] == pytest.approx(top5)
    recalls = sklearn_metrics.recall_score(y, predicted, labels=range(present), average=None)
    assert values["balanced_accuracy"] == pytest.approx(recalls.mean())
    matrix = outcomes(probabilities, labels).confusion_matrix()
    np.testing.assert_array_equal(matrix, sklearn_metrics.confusion_matrix(y, predicted, labels=classes))
    reference = sklearn_metrics.precision_recall_fscore_support(y, predicted, labels=classes, zero_division=np.nan)
    for ours, theirs in zip(outcomes(probabilities, labels).per_class(), reference, strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_agrees_with_torchmetrics():
    probabilities, labels = random_case()
    values = summary(probabilities, labels)
    accuracy = multiclass_accuracy(probabilities, labels, 7, average="micro")
    assert values["accuracy"] == pytest.approx(accuracy.item(), abs=1e-6)
    f1 = multiclass_f1_score(probabilities, labels, 7, average="macro")
    assert values["macro_f1"] == pytest.approx(f1.item(), abs=1e-6)
    error = multiclass_calibration_error(probabilities, labels, 7, n_bins=15)
    assert values["calibration_error"] == pytest.approx(error.item(), abs=1e-6)


def test_a_class_that_never_occurs_has_no_numbers():
    table = outcomes(torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]), torch.tensor([0, 0])).per_class()
    np.testing.assert_array_equal(table.precision, [1, 0, np.nan])
    np.testing.assert_array_equal(table.recall, [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(table.f1, [2 / 3, 0, np.nan])


def test_equal_probabilities_prefer_the_lower_class():
    probabilities = torch.full((4, 4), 0.25)
    labels = torch.tensor([0, 1, 2, 3])
    assert outcomes(probabilities, labels).accuracy() == 0.25
    assert outcomes(probabilities, labels).top_k_accuracy(k=3) == 0.75


def test_the_loss_stays_finite_when_a_label_has_probability_zero():
    loss = outcomes(torch.tensor([[1.0, 0.0]]), torch.tensor([1])).negative_log_likelihood()
    assert loss == pytest.approx(126 * math.log(2))


def test_half_precision_is_taken():
    probabilities = torch.tensor([[0.75, 0.25]], dtype=torch.bfloat16)
    assert outcomes(probabilities, torch.tensor([0])).negative_log_likelihood() == pytest.approx(-math.log(0.75))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(RequestError, match="split is empty"):
        summary(TABLE[:0], LABELS[:0])
    with pytest.raises(RequestError, match="labels reach from 0 to 3, but the model has 3 classes"):
        summary(TABLE[:2], torch.tensor([0, 3]))
    with pytest.raises(RunError, match="2 of 3 predictions are not numbers, the first for example 1"):
        summary(torch.tensor([[1, 0], [math.nan, 0], [0, math.inf]]), torch.tensor([0, 0, 0]))
    with pytest.raises(ValueError, match=r"reach from -2 to 3: logits\?"):
        summary(torch.tensor([[-2.0, 3.0]]), torch.tensor([0]))
    with pytest.raises(ValueError, match=r"torch.float64 \(6, 3\) and \(2,\)"):
        summary(TABLE, LABELS[:2])
