"""Metrics of several labels an example: by hand, and the same as scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from sensorium.metrics import multilabel

SCORES = np.array([[0.9, 0.2, 0.1], [0.8, 0.7, 0.1], [0.6, 0.4, 0.1], [0.3, 0.6, 0.1]])
TARGETS = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]])


def test_by_hand() -> None:
    found = multilabel.per_label(SCORES, TARGETS, threshold=0.5)
    # Ranked: 1 0 1 0 and 1 0 1 0. Nobody has the third label.
    np.testing.assert_allclose(found.average_precision, [(1 + 2 / 3) / 2, (1 + 2 / 3) / 2, np.nan])
    np.testing.assert_allclose(found.precision, [2 / 3, 1 / 2, np.nan])
    np.testing.assert_allclose(found.recall, [1, 1 / 2, np.nan])
    np.testing.assert_allclose(found.f1, [4 / 5, 1 / 2, np.nan])
    assert found.support.tolist() == [2, 2, 0]
    # From 0.6 on: 2 of 3 right, all found. From 0.4 on likewise.
    np.testing.assert_allclose(found.best_threshold, [0.6, 0.4, np.nan])


def test_the_summary_by_hand() -> None:
    found = multilabel.summary(SCORES, TARGETS, threshold=0.5)
    assert found["map"] == pytest.approx(5 / 6)
    assert found["micro_f1"] == pytest.approx(2 * 3 / (4 + 5))
    assert found["macro_f1"] == pytest.approx((4 / 5 + 1 / 2) / 2)
    assert found["subset_accuracy"] == 1 / 4  # the first example alone has exactly its labels


def test_a_score_that_is_the_threshold_counts() -> None:
    assert multilabel.counts(SCORES, TARGETS, threshold=0.6).predicted.tolist() == [3, 2, 0]


def test_without_any_label_nothing_is_defined() -> None:
    found = multilabel.summary(np.full((3, 2), 0.1), np.zeros((3, 2)), threshold=0.5)
    assert np.isnan([found["map"], found["micro_f1"], found["macro_f1"]]).all()
    assert found["subset_accuracy"] == 1


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = (int(random.integers(5, 60)), int(random.integers(2, 7)))
    targets = (random.random(size) < random.uniform(0.1, 0.7)).astype(np.uint8)
    targets[0] = 1  # scikit-learn calls the average precision of an absent label 0
    scores = random.integers(0, 12, size) / 11  # with ties
    threshold = float(random.choice([0.3, 0.5, 7 / 11]))
    predicted = scores >= threshold
    found = multilabel.per_label(scores, targets, threshold=threshold)
    np.testing.assert_allclose(found.average_precision, average_precision_score(targets, scores, average=None))
    precision, recall, f1, support = precision_recall_fscore_support(targets, predicted, zero_division=np.nan)
    for mine, theirs in zip(found[1:5], (precision, recall, f1, support), strict=True):
        np.testing.assert_allclose(mine, theirs)
    summary = multilabel.summary(scores, targets, threshold=threshold)
    assert summary == pytest.approx(
        {
            "map": average_precision_score(targets, scores, average="macro"),
            "micro_f1": f1_score(targets, predicted, average="micro"),
            "macro_f1": f1_score(targets, predicted, average="macro", zero_division=np.nan),
            "subset_accuracy": accuracy_score(targets, predicted),
        }
    )
    for k, best in enumerate(found.best_threshold):
        curve = multilabel.precision_recall_curve(scores[:, k], targets[:, k])
        theirs = precision_recall_curve(targets[:, k], scores[:, k])
        for mine, other in zip(curve, (theirs[0][:-1], theirs[1][:-1], theirs[2]), strict=True):
            np.testing.assert_allclose(mine, other[::-1])
        values = [f1_score(targets[:, k], scores[:, k] >= cut) for cut in np.unique(scores[:, k])]
        assert f1_score(targets[:, k], scores[:, k] >= best) == pytest.approx(max(values))
