"""Label noise: the two formulas against cleanlab, and flipped labels that are found."""

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, estimate_joint

from sensorium.inspection import labels
from sensorium.inspection.contents import Contents


def noisy(seed: int, *, count: int = 400, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that often disagree."""
    draw = np.random.default_rng(seed)
    probabilities = draw.dirichlet(np.full(classes, 0.4), count)
    right = np.array([draw.choice(classes, p=row) for row in probabilities])
    wrong = draw.random(count) < 0.2
    return np.where(wrong, draw.integers(0, classes, count), right), probabilities


@pytest.mark.parametrize("seed", range(5))
def test_both_formulas_are_those_of_cleanlab(seed):
    given, probabilities = noisy(seed)
    found = labels.confident_joint(given, probabilities)
    expected = compute_confident_joint(given, probabilities, calibrate=False)
    assert found.tolist() == np.asarray(expected).tolist()
    joint = labels.joint(found, given)
    # cleanlab rounds the calibrated counts to whole examples.
    assert joint == pytest.approx(estimate_joint(given, probabilities, confident_joint=found), abs=1 / len(given))
    assert joint.sum(axis=1) == pytest.approx(np.bincount(given) / len(given))


def test_the_confident_joint_by_hand():
    given = np.array([0, 0, 0, 1, 1])
    first = np.array([0.9, 0.7, 0.2, 0.1, 0.3])
    # Thresholds: (0.9 + 0.7 + 0.2) / 3 = 0.6 for class 0, (0.9 + 0.7) / 2 = 0.8 for class 1.
    found = labels.confident_joint(given, np.stack([first, 1 - first], axis=1))
    assert found.tolist() == [[2, 1], [0, 1]]
    # The row of class 0 counts 3 in 3 labels; that of class 1 counts 1 for 2 labels.
    assert labels.joint(found, given) == pytest.approx(np.array([[0.4, 0.2], [0.0, 0.4]]))


class Points:
    """Inputs that are their own features."""

    def __init__(self, points: np.ndarray) -> None:
        self.points = points

    def near_duplicates(self) -> np.ndarray:
        return np.zeros((0, 2), np.int64)

    def constant(self) -> np.ndarray:
        return np.zeros(0, np.int64)

    def features(self, rows: np.ndarray) -> np.ndarray:
        return self.points[rows]


def clusters(count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    right = np.arange(count) % 3
    centers = np.array([[0, 0], [6, 0], [0, 6]])
    return right, (centers[right] + draw.normal(size=(count, 2))).astype(np.float32)


def contents(given: np.ndarray, points: np.ndarray) -> Contents:
    return Contents(
        unit="point",
        names=[f"p{row}" for row in range(len(given))],
        splits=np.zeros(len(given), np.int64),
        inputs=Points(points),
        labels=given,
        class_names=("a", "b", "c"),
    )


def test_flipped_labels_are_suggested():
    right, points = clusters()
    given = right.copy()
    flipped = np.random.default_rng(2).choice(len(right), 30, replace=False)
    given[flipped] = (given[flipped] + 1) % 3
    found = [one for one in labels.check(contents(given, points)) if one.severity == "warning"]
    assert len(found) == 1
    assert len(set(flipped) & found[0].drop) >= 27
    assert len(found[0].drop) <= 33
    row = int(flipped[0])
    assert any(one.startswith(f"p{row} (train, {'abc'[given[row]]}): {'abc'[right[row]]}") for one in found[0].examples)


def test_clean_labels_are_left_alone():
    right, points = clusters()
    assert [one.severity for one in labels.check(contents(right, points))] == ["note"]


def test_a_model_that_cannot_tell_the_classes_suggests_nothing():
    right, points = clusters()
    shuffled = np.random.default_rng(3).permutation(right)
    found = labels.check(contents(shuffled, points))
    assert [one.severity for one in found] == ["note"]
    assert "too low to suggest corrections" in found[0].what


def test_rare_classes_and_examples_without_a_label_are_not_checked():
    right, points = clusters(300)
    right[:3] = -1
    right[right == 2] = 0
    right[3:6] = 2
    what = [one.what for one in labels.check(contents(right, points))]
    assert "labels not checked: 3 examples of classes with fewer than 5" in what


def test_of_a_weak_model_nothing_is_dropped():
    draw = np.random.default_rng(0)
    right = np.arange(600) % 3
    points = np.array([[0, 0], [3.2, 0], [0, 3.2]])[right] + draw.normal(size=(600, 2)) * 2.0
    found = labels.check(contents(right, points.astype(np.float32)))
    assert [one.severity for one in found] == ["note", "note"]
    assert "most of these are its own errors" in found[1].what
    assert found[1].drop == frozenset()


def test_what_is_suspicious_by_hand():
    given = np.array([0] * 10 + [1] * 10)
    first = np.array([0.9] * 8 + [0.05, 0.45] + [0.1] * 10)
    probabilities = np.stack([first, 1 - first], axis=1)
    # One of nine confident examples of class 0 is taken for 1: 1/9 of half the labels are wrong.
    assert labels.noise(given, probabilities) == pytest.approx(1 / 18)
    # Wrong with 1/18 / 0.05, more than certain, and with 1/18 / 0.45 = 0.12, less than a quarter.
    assert labels.suspicious(given, probabilities).tolist() == [8]
