"""Detection of inputs unlike the training data: distances, thresholds, flags, and what a checkpoint may hold."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from torch import nn

from sensorium import checkpoint
from sensorium.build import load_model
from sensorium.errors import RequestError
from sensorium.nn.feature_hook import watched
from sensorium.tasks import registry
from sensorium.tasks.base import PredictOptions
from sensorium.tasks.out_of_distribution import OutOfDistribution, fit
from sensorium.tasks.regression.predict import RegressionPrediction


def units(random: np.random.Generator, count: int, width: int = 8) -> np.ndarray:
    """(N, F) float32 directions around (1, 1, ...), of any length: only where they point to counts."""
    around = 1 + random.normal(size=(count, width)) * np.linspace(0.05, 0.5, width)
    return (around * random.uniform(0.1, 9, (count, 1))).astype(np.float32)


def test_distances_equal_those_of_scipy() -> None:
    """Of unit vectors, to the nearest of three class means, under the shrunk covariance within classes."""
    random = np.random.default_rng(0)
    classes = np.arange(300) % 3
    training, asked = units(random, 300) + classes[:, None] * np.eye(8)[0], units(random, 20)
    detector = fit(training.astype(np.float32), asked, classes)
    unit, others = (of / np.linalg.norm(of, axis=1, keepdims=True) for of in (training, asked))
    means = np.stack([unit[classes == one].mean(axis=0) for one in range(3)])
    covariance = np.cov((unit - means[classes]).T, bias=True)
    inverse = np.linalg.inv(covariance + 1e-3 * np.trace(covariance) / 8 * np.eye(8))
    expected = [min(mahalanobis(one, mean, inverse) for mean in means) for one in others]
    assert detector.distances(asked) == pytest.approx(expected, rel=5e-3)  # float16 in the checkpoint


def test_ninety_five_percent_of_validation_lie_within_the_threshold() -> None:
    random = np.random.default_rng(0)
    training, validation, others = (units(random, count) for count in (500, 199, 4000))
    detector = fit(training, validation, None)
    assert (detector.fitted, detector.measured) == (500, 199)
    assert detector.flags(validation).sum() == 199 - 190  # the 190th of 199: 95% of 200
    assert detector.flags(others).mean() == pytest.approx(0.05, abs=0.03)


def test_examples_of_unknown_class_are_not_fitted_on() -> None:
    random = np.random.default_rng(0)
    training = units(random, 60)
    classes = np.repeat([0, 1, -1], 20)
    whole, labeled = fit(training, training, classes), fit(training[:40], training, classes[:40])
    assert whole.fitted == 40
    assert whole.threshold == labeled.threshold


def test_what_points_elsewhere_or_is_no_number_is_flagged() -> None:
    near = units(np.random.default_rng(0), 100, 4)
    detector = fit(near, near[:40], None)
    asked = np.stack([np.ones(4, np.float32), -near[0], np.full(4, np.nan, np.float32)])
    assert detector.flags(asked).tolist() == [False, True, True]
    assert detector.distances(np.zeros((1, 4), np.float32)) > 0


def test_features_that_never_vary_have_distances_all_the_same() -> None:
    same = np.ones((30, 3), np.float32)
    detector = fit(same, same, None)
    assert detector.flags(same).tolist() == [False] * 30
    assert detector.flags(-same).all()


@pytest.mark.parametrize(
    ("training", "validation", "message"),
    [
        (
            np.ones((50, 4)),
            np.ones((19, 4)),
            "it needs at least 20 training and 20 validation examples; found 50 and 19",
        ),
        (np.full((50, 4), np.nan), np.ones((20, 4)), "found 0 and 20"),
        (np.ones((50, 4)), np.full((20, 4), np.inf), "validation examples are no numbers"),
        (np.ones((20, 2049)), np.ones((20, 2049)), "2,049 features of 1 classes are too many"),
    ],
)
def test_no_detector_without_features(training: np.ndarray, validation: np.ndarray, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        fit(training.astype(np.float32), validation.astype(np.float32), None)


def detector() -> OutOfDistribution:
    random = np.random.default_rng(1)
    return fit(units(random, 40), units(random, 30), np.arange(40) % 2)


def test_a_checkpoint_gives_back_what_it_was_given() -> None:
    found, asked = OutOfDistribution.from_dict(detector().to_dict()), units(np.random.default_rng(2), 9)
    assert found.distances(asked).tolist() == detector().distances(asked).tolist()
    assert (found.threshold, found.fitted, found.measured) == (detector().threshold, 40, 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"center": None}, "center is no tensor"),
        ({"center": torch.ones(8, dtype=torch.float64)}, "center is no tensor"),
        ({"center": torch.ones(0)}, "center has another shape"),
        ({"center": torch.full((8,), float("inf"))}, "no number"),
        ({"whitening": torch.ones(8, 7, dtype=torch.float16)}, "whitening has another shape"),
        ({"means": torch.ones(0, 8)}, "means have another shape"),
        ({"means": torch.ones(2, 7)}, "means have another shape"),
        ({"means": torch.ones(1, 1).expand(300_000, 8)}, "too many means"),
        ({"threshold": float("nan")}, "scale or threshold"),
        ({"scale": -1.0}, "scale or threshold"),
        ({"measured": "many"}, "no count"),
    ],
)
def test_a_damaged_detector_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OutOfDistribution.from_dict(detector().to_dict() | change)


class Steps(nn.Module):
    """A head that reads every step of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)


def test_features_are_what_enters_the_head_and_nothing_stays_behind() -> None:
    model, x = Steps(), torch.randn(4, 2)
    result, features = watched(model, model, [x])
    assert torch.equal(result, model(x))
    assert features.tolist() == x.tolist()
    assert not model.head._forward_pre_hooks
    with pytest.raises(RequestError, match="no vector of each example"):
        watched(model, model, [torch.randn(4, 5, 2)])  # a mean over steps would count padding
    with pytest.raises(RequestError, match="no part named 'head'"):
        watched(nn.Linear(2, 3), nn.Linear(2, 3), [x])
    assert not model.head._forward_pre_hooks


def test_predictions_of_a_run_are_flagged_in_every_form(trained_run: Path) -> None:
    """The detector that the training left, for digits and for noise; and none of a checkpoint without it."""
    model = load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu")
    assert model.out_of_distribution is not None
    strict = replace(model, out_of_distribution=replace(model.out_of_distribution, threshold=0.0))
    task = registry.of(model.spec)
    images = [np.full((8, 8), 255, np.uint8), np.eye(8, dtype=np.uint8) * 200]
    plain, flagged, without = (
        list(task.predictor(one, PredictOptions()).predict(images))
        for one in (
            replace(model, out_of_distribution=replace(model.out_of_distribution, threshold=1e9)),
            strict,
            replace(model, out_of_distribution=None),
        )
    )
    assert [one.out_of_distribution for one in (*plain, *flagged, *without)] == [False] * 2 + [True] * 2 + [None] * 2
    assert [one.to_dict()["out_of_distribution"] for one in (plain[0], flagged[0])] == [False, True]
    assert [one.rows()[0]["out_of_distribution"] for one in (plain[0], flagged[0])] == [False, True]
    assert [one.summary()["ood"] for one in (plain[0], flagged[0])] == [False, True]
    assert "out_of_distribution" not in without[0].rows()[0]
    assert plain[0].to_dict()["classes"] == without[0].to_dict()["classes"]


def test_an_input_without_a_result_has_the_columns_of_the_others() -> None:
    good = RegressionPrediction("a.png", (1.5,), ("age",), out_of_distribution=True)
    bad = RegressionPrediction("b.png", (), ("age",), error="no image", out_of_distribution=False)
    assert good.rows()[0].keys() == bad.rows()[0].keys()
    assert (good.rows()[0]["out_of_distribution"], bad.rows()[0]["out_of_distribution"]) == (True, "")
    assert bad.to_dict() == {"input": "b.png", "prediction": {}, "error": "no image"}


def test_a_mean_of_weights_has_no_detector(trained_run: Path) -> None:
    best = checkpoint.read(trained_run / "checkpoints" / "best.ckpt")
    assert checkpoint.averaged([best]).out_of_distribution is not None
    assert checkpoint.averaged([best, best]).out_of_distribution is None
