"""Intervals as wide as theory says, and McNemar's test against counting."""

import math

import numpy as np
import pytest
import torch

from sensorium.metrics.classification import outcomes, summary
from sensorium.metrics.uncertainty import (
    bootstrap_interval,
    bootstrap_intervals,
    metric_intervals,
    paired_comparison,
    sign_test,
    wilson_interval,
)


def predictions(right, confidence=0.9):
    """Two classes, label always 0: probabilities (N, 2) of a model that is right where told."""
    wrong = 1 - confidence
    rows = [[confidence, wrong] if value else [wrong, confidence] for value in right]
    return torch.tensor(rows, dtype=torch.float64), torch.zeros(len(rows), dtype=torch.long)


def test_the_interval_covers_the_truth():
    random = torch.Generator().manual_seed(3)
    covered = 0
    for _ in range(40):
        probabilities, labels = predictions(torch.rand(150, generator=random) < 0.7)
        low, high = bootstrap_intervals(probabilities=probabilities, labels=labels, resamples=100)["accuracy"]
        covered += low <= 0.7 <= high
    assert 34 <= covered <= 40  # 38 expected; fewer than 34 once in 100 trials of a sound interval


@pytest.mark.parametrize("size", [100, 400, 1600])
def test_the_interval_shrinks_with_the_root_of_the_examples(size):
    probabilities, labels = predictions([i % 5 > 0 for i in range(size)])
    low, high = bootstrap_intervals(probabilities=probabilities, labels=labels, resamples=800)["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.8 * 0.2 / size), rel=0.12)
    assert (low + high) / 2 == pytest.approx(0.8, abs=0.015)


def test_every_metric_has_an_interval_around_it():
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(8, (300,), generator=random)
    logits = torch.randn(300, 8, generator=random)
    logits[torch.arange(300), labels] += 1.0
    probabilities = logits.softmax(1)
    intervals = bootstrap_intervals(probabilities=probabilities, labels=labels, resamples=200)
    values = summary(probabilities, labels)
    assert list(intervals) == list(values)
    for key, (low, high) in intervals.items():
        assert 0 <= low < values[key] < high, key
    right = round(values["accuracy"] * 300)
    assert intervals["accuracy"] == wilson_interval(right, 300)
    wider = bootstrap_intervals(probabilities=probabilities, labels=labels, resamples=200, level=0.99)["loss"]
    assert wider[0] < intervals["loss"][0] < intervals["loss"][1] < wider[1]


def test_the_calibration_interval_of_a_calibrated_model_reaches_zero():
    # Right in 9 of 10 cases at confidence 0.9. Resampled, the error is never 0 for long: all its values lie above.
    probabilities, labels = predictions([i % 10 > 0 for i in range(500)])
    assert outcomes(probabilities, labels).expected_calibration_error(15) == pytest.approx(0, abs=1e-12)
    low, high = bootstrap_intervals(probabilities=probabilities, labels=labels)["calibration_error"]
    assert low == 0
    assert high < 1e-3


def test_the_seed_decides():
    probabilities, labels = predictions([i % 7 > 1 for i in range(90)])

    def interval(seed):
        return bootstrap_intervals(probabilities=probabilities, labels=labels, resamples=50, seed=seed)

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)


def test_paired_comparison_by_hand():
    # 100 examples: both right 80, only a 12, only b 4, both wrong 4.
    a, labels = predictions([True] * 92 + [False] * 8)
    b, _ = predictions([True] * 80 + [False] * 12 + [True] * 4 + [False] * 4)
    result = paired_comparison(a=a, b=b, labels=labels, resamples=4000)
    assert (result["only_a_right"], result["only_b_right"]) == (12, 4)
    assert result["accuracy_a"] == pytest.approx(0.92)
    assert result["accuracy_b"] == pytest.approx(0.84)
    assert result["difference"] == pytest.approx(0.08)
    assert result["p_value"] == pytest.approx(binomial_tails(12, 4))
    spread = math.sqrt((0.12 + 0.04 - 0.08**2) / 100)
    assert result["low"] == pytest.approx(0.08 - 1.96 * spread, abs=0.012)
    assert result["high"] == pytest.approx(0.08 + 1.96 * spread, abs=0.012)
    swapped = paired_comparison(a=b, b=a, labels=labels)
    assert swapped["difference"] == pytest.approx(-0.08)
    assert swapped["p_value"] == result["p_value"]


def binomial_tails(wins: int, losses: int) -> float:
    """Twice the smaller tail of a fair coin, in whole numbers."""
    throws = wins + losses
    tail = sum(math.comb(throws, heads) for heads in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / 2**throws)


@pytest.mark.parametrize(
    ("wins", "losses"), [(0, 1), (1, 1), (5, 0), (3, 9), (12, 4), (50, 51), (700, 800), (1200, 1000)]
)
def test_sign_test_agrees_with_counting(wins, losses):
    assert sign_test(wins, losses) == pytest.approx(binomial_tails(wins, losses), rel=1e-9)


def test_sign_test_by_hand():
    assert sign_test(5, 0) == pytest.approx(2 / 32)
    assert sign_test(1, 3) == pytest.approx(2 * (1 + 4) / 16)


def test_equal_models_have_p_one():
    assert sign_test(0, 0) == 1
    assert sign_test(20, 20) == 1


def test_wilson_by_hand():
    """Where z is 1.96: (p + z^2 / 2n ± z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)."""
    assert wilson_interval(5, 10) == pytest.approx((0.23659, 0.76341), abs=1e-5)
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    low, high = wilson_interval(10, 10)
    assert (low, high) == (pytest.approx(10 / (10 + 1.959964**2), rel=1e-6), 1.0)
    assert wilson_interval(0, 10) == (0.0, pytest.approx(1 - low))


def test_the_bootstrap_of_a_mean_is_as_wide_as_its_standard_error():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), 400)
    spread = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - spread, abs=0.03)
    assert high == pytest.approx(values.mean() + spread, abs=0.03)


def test_resamples_without_a_value_are_dropped():
    """Of two examples, one resample in four has the first alone and one the second alone."""
    low, high = bootstrap_interval(lambda rows: float("nan") if 0 in rows else float(rows[0]), 3)
    assert (low, high) == (1.0, 2.0)
    assert bootstrap_interval(lambda rows: float("nan"), 2) is None
    assert bootstrap_interval(lambda rows: 1.0, 1) is None


def test_a_metric_without_spread_has_no_interval_and_a_share_has_wilsons():
    """60 of 60 right: 60 / (60 + 1.96^2) = 0.9398 to 1."""
    assert bootstrap_interval(lambda rows: 0.1 + 0.2 if 0 in rows else 0.3, 9) is None
    assert metric_intervals(lambda rows: {"wer": 0.0, "loss": float(rows[0])}, 9).keys() == {"loss"}
    labels = torch.arange(60) % 7
    probabilities = torch.nn.functional.one_hot(labels, 7) * 0.93 + 0.01
    intervals = bootstrap_intervals(probabilities=probabilities, labels=labels, resamples=20)
    assert intervals.keys() == {"accuracy", "top5_accuracy"}
    assert intervals["accuracy"] == intervals["top5_accuracy"] == (pytest.approx(0.93982, abs=1e-5), 1.0)
