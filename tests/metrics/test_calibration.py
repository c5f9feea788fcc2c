"""A correction makes a model as sure as it is right; its parameters are those that other optimizers find."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from sensorium.metrics.calibration import (
    BinnedGaps,
    Scaling,
    calibration_error,
    calibration_error_interval,
    fit_classes,
    fit_scores,
    log_odds,
    log_probabilities,
    resampled_errors,
    scaled_classes,
    scaled_scores,
)
from sensorium.metrics.classification import BINS, outcomes


def overconfident(size: int, *, factor: float = 2.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities (N, 4) that are `factor` times what the labels (N,) were drawn from."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(size, 4)) * 1.5
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > random.random((size, 1))).argmax(axis=1)
    return log_probabilities(scaled_classes(logits * factor, Scaling(np.ones(1), np.zeros(0)))), labels


def test_the_temperature_that_the_data_were_made_with() -> None:
    logs, labels = overconfident(20_000)
    found = fit_classes(logs, labels, per_class=False)
    assert 1 / found.scale[0] == pytest.approx(2.5, rel=0.03)
    assert found.bias.size == 0
    before, after = (p.max(axis=1) for p in (np.exp(logs), scaled_classes(logs, found)))
    right = logs.argmax(axis=1) == labels
    assert calibration_error(before, right) > 0.15
    assert calibration_error(after, right) < 0.02


def test_the_temperature_of_another_optimizer() -> None:
    logs, labels = overconfident(300)

    def loss(log_scale: float) -> float:
        p = torch.from_numpy(logs * np.exp(log_scale)).log_softmax(1)
        return float(torch.nn.functional.nll_loss(p, torch.from_numpy(labels), reduction="sum")) + log_scale**2 / 2

    found = fit_classes(logs, labels, per_class=False)
    assert np.log(found.scale[0]) == pytest.approx(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x, abs=1e-3)


def test_vector_scaling_corrects_a_class_that_is_too_likely() -> None:
    logs, labels = overconfident(20_000, factor=1)
    tilted = logs + np.array([1.5, 0, 0, 0])
    tilted = log_probabilities(np.exp(tilted) / np.exp(tilted).sum(axis=1, keepdims=True))
    found = fit_classes(tilted, labels, per_class=True)
    assert found.bias[0] - found.bias[1:].mean() == pytest.approx(-1.5, abs=0.15)
    p = scaled_classes(tilted, found)
    assert calibration_error(p.max(axis=1), p.argmax(axis=1) == labels) < 0.02


@pytest.mark.parametrize("per_class", [False, True])
def test_the_gradient_is_that_of_torch(per_class: bool) -> None:
    """The optimum has no slope, by automatic differentiation of the same loss."""
    logs, labels = overconfident(500)
    found = fit_classes(logs, labels, per_class=per_class)
    parameters = torch.tensor(np.concatenate([np.log(found.scale), found.bias]), requires_grad=True)
    scale, bias = parameters[: len(found.scale)].exp(), parameters[len(found.scale) :]
    scores = torch.from_numpy(logs) * scale + (bias if len(bias) else 0)
    loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)) + (parameters**2).sum() / 1000
    loss.backward()
    assert parameters.grad is not None
    assert float(parameters.grad.abs().max()) < 1e-4


def test_platt_scaling_is_logistic_regression() -> None:
    random = np.random.default_rng(0)
    odds = random.normal(size=2000) * 2
    right = random.random(2000) < 1 / (1 + np.exp(-(0.5 * odds - 1)))
    found = fit_scores(odds, right, bias=True)
    expected = LogisticRegression(C=1e6).fit(odds[:, None], right)
    assert found.scale[0] == pytest.approx(expected.coef_[0, 0], rel=0.01)
    assert found.bias[0] == pytest.approx(expected.intercept_[0], rel=0.01)
    assert calibration_error(scaled_scores(odds, found), right) < 0.03


def test_a_model_that_is_always_right_is_not_made_certain() -> None:
    logs = np.log(np.tile([0.9, 0.1], (50, 1)))
    found = fit_classes(logs, np.zeros(50, np.int64), per_class=False)
    assert 0.9 < scaled_classes(logs, found)[0, 0] < 0.9999


def test_calibration_error_is_that_of_an_evaluation() -> None:
    logs, labels = overconfident(400)
    p = np.exp(logs)
    expected = outcomes(torch.from_numpy(p), torch.from_numpy(labels)).expected_calibration_error(BINS)
    right = p.argmax(axis=1) == labels
    assert calibration_error(p.max(axis=1), right) == pytest.approx(expected, abs=1e-12)
    gaps = BinnedGaps(p.max(axis=1), right)
    assert gaps.error() == pytest.approx(expected, abs=1e-12)
    value, low, high = calibration_error_interval(expected, resampled_errors([gaps])[:, 0])
    assert value == expected
    assert 0 < low < value < high + 0.02
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0, bool)))


def test_resampled_errors_by_hand() -> None:
    """Rows drawn again and again are the same rows written down as often."""
    random = np.random.default_rng(3)
    confidence, right = random.random((60, 2)), random.random((60, 2)) < 0.5
    weights = random.integers(0, 4, size=60)
    rows = np.repeat(np.arange(60), weights)
    expected = calibration_error(confidence[rows], right[rows])
    assert BinnedGaps(confidence, right).error(weights) == pytest.approx(expected, abs=1e-12)


def test_pixels_of_one_image_are_drawn_together() -> None:
    """Fifty equal pixels of an image say no more than one: the interval is that of the images."""
    random = np.random.default_rng(4)
    confidence = random.random(100)
    right = random.random(100) < confidence
    images = np.repeat(random.permutation(100) * 7, 50)
    alone = resampled_errors([BinnedGaps(confidence, right)])
    order = np.argsort(images[::50])
    together = BinnedGaps(np.repeat(confidence, 50), np.repeat(right, 50), images)
    assert together.size == 100
    np.testing.assert_allclose(
        resampled_errors([together]), resampled_errors([BinnedGaps(confidence[order], right[order])]), atol=1e-12
    )
    assert alone.std() > 3 * resampled_errors([BinnedGaps(np.repeat(confidence, 50), np.repeat(right, 50))]).std()


def test_log_odds_are_finite() -> None:
    odds = log_odds(np.array([0.0, 0.5, 1.0]))
    assert np.isfinite(odds).all()
    assert odds[1] == 0
    np.testing.assert_allclose(scaled_scores(odds, Scaling(np.ones(1), np.zeros(0))), [0, 0.5, 1], atol=1e-6)
