"""Metrics of regression against scikit-learn and SciPy, and the files of a report."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.vision.splits import ImageRegressionSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.errors import RunError
from sensorium.metrics.regression import per_target, summary
from sensorium.specs import ImageRegressionSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.regression.evaluate import RegressionEvaluation
from sensorium.tasks.regression.predict import RegressionPrediction
from sensorium.tasks.regression.report import ranked_examples, write_regression_report

STD = np.array([10.0, 0.5])


@pytest.fixture
def evaluation() -> RegressionEvaluation:
    random = np.random.default_rng(0)
    targets = random.normal([1e6, 1], STD, (50, 2))  # far from zero, where a careless sum loses its digits
    return RegressionEvaluation(targets + random.normal(0, [3, 0.4], (50, 2)), targets, STD, 1.0)


def test_metrics_agree_with_scikit_learn_and_scipy(evaluation: RegressionEvaluation) -> None:
    y, p = evaluation.targets, evaluation.predictions
    found = evaluation.per_target()
    assert found.mae == pytest.approx(mean_absolute_error(y, p, multioutput="raw_values"), rel=1e-12)
    assert found.rmse == pytest.approx(root_mean_squared_error(y, p, multioutput="raw_values"), rel=1e-12)
    assert found.r2 == pytest.approx(r2_score(y, p, multioutput="raw_values"), rel=1e-12)
    assert found.pearson == pytest.approx([pearsonr(y[:, k], p[:, k]).statistic for k in (0, 1)], rel=1e-9)
    metrics = evaluation.metrics
    assert metrics["mae"] == pytest.approx(mean_absolute_error(y, p), rel=1e-12)
    assert metrics["rmse"] == pytest.approx(root_mean_squared_error(y, p), rel=1e-12)
    assert metrics["r2"] == pytest.approx(r2_score(y, p), rel=1e-12)
    assert metrics["pearson"] == pytest.approx(found.pearson.mean())
    assert metrics["loss"] == pytest.approx(np.mean(((p - y) / STD) ** 2))


def test_by_hand_and_where_undefined() -> None:
    targets = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]])
    predictions = np.array([[1.0, 5.0], [2.0, 6.0], [6.0, 4.0]])
    found = per_target(predictions, targets)
    assert found.mae.tolist() == pytest.approx([1, 2 / 3])
    assert found.rmse.tolist() == pytest.approx([3**0.5, (2 / 3) ** 0.5])
    assert found.r2[0] == pytest.approx(1 - 9 / 2)
    assert np.isnan([found.r2[1], found.pearson[1]]).all()
    assert summary(predictions, targets)["r2"] == pytest.approx(-3.5)
    assert summary(targets[:1], targets[:1]) == {"mae": 0, "rmse": 0}


def test_the_report(evaluation: RegressionEvaluation, tmp_path: Path) -> None:
    evaluation.predictions[7] = evaluation.targets[7] + 50 * STD
    names, texts = [f"list.csv:{row}" for row in range(50)], [f"text {row}" for row in range(50)]
    texts[8] = texts[9] = "text 7"
    settings = {"evaluation": evaluation, "target_names": ("weight", "$height$"), "names": names}
    asked = []

    def read_images(rows: np.ndarray) -> np.ndarray:
        asked.extend(rows.tolist())
        return np.zeros((len(rows), 1, 4, 4), np.uint8)

    paths = write_regression_report(tmp_path, **settings, texts=texts, predictions_format="csv")
    paths += write_regression_report(tmp_path, **settings, read_images=read_images, predictions_format="jsonl")
    assert all(path.stat().st_size for path in paths)
    assert len({path.name for path in paths}) == 6
    assert asked == ranked_examples(evaluation)[:25].tolist()
    assert (asked[0], len(asked)) == (7, 25)
    rows = list(csv.DictReader((tmp_path / "per_target.csv").open()))
    assert [row["target"] for row in rows] == ["weight", "$height$"]
    assert [float(row["rmse"]) for row in rows] == pytest.approx(evaluation.per_target().rmse)
    row = list(csv.DictReader((tmp_path / "predictions.csv").open()))[7]
    record = json.loads((tmp_path / "predictions.jsonl").read_text().splitlines()[7])
    assert (row["index"], row["name"], record["name"]) == ("7", "list.csv:7", "list.csv:7")
    assert float(row["error_$height$"]) == record["error"]["$height$"] == pytest.approx(25)
    worst = list(csv.DictReader((tmp_path / "worst.csv").open()))
    assert (worst[0]["text"], float(worst[0]["error_weight"])) == ("text 7", pytest.approx(500))
    assert (worst[0]["count"], worst[1]["count"]) == ("3", "1")
    assert len({row["text"] for row in worst}) == len(worst) == 25


def test_a_prediction_in_every_form() -> None:
    good = RegressionPrediction("a.png", (1.5, 2.0), ("age", "input"))
    bad = RegressionPrediction("b.png", target_names=("age", "input"), error="no image")
    assert good.to_dict() == {"input": "a.png", "prediction": {"age": 1.5, "input": 2.0}}
    assert good.rows() == [{"input": "a.png", "prediction_age": 1.5, "prediction_input": 2.0, "error": ""}]
    assert good.summary() == {"input": "a.png", "prediction_age": 1.5, "prediction_input": 2.0}
    assert bad.to_dict() == {"input": "b.png", "prediction": {}, "error": "no image"}
    assert bad.rows()[0].keys() == good.rows()[0].keys()


SPEC = ImageRegressionSpec(
    target_names=("age", "height"),
    target_mean=(40.0, 1.7e9),
    target_std=(10.0, 60.0),
    in_channels=1,
    image_size=(1, 2),
    mean=(0.0,),
    std=(1.0,),
)


class Echo(nn.Module):
    """Predicts its two pixels, from 0 to 1, by a layer that autocast would compute in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2, bias=False)
        nn.init.eye_(self.head.weight)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


def test_a_split_is_evaluated_in_own_units_and_in_float32_whatever_the_training_was_in() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (30, 1, 1, 2), dtype=np.uint8)
    exact = pixels.reshape(30, 2) / 255 * SPEC.target_std + SPEC.target_mean
    store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
    names = [str(row) for row in range(30)]
    split = ImageRegressionSplit(store, exact, names, SPEC.target_mean, SPEC.target_std)
    task = registry.of(SPEC)
    precision = task.eval_precision("bf16-mixed")
    model = LoadedModel(SPEC, Echo(), torch.device("cpu"), precision, "contiguous", {})
    order = split.order(BatchPlan(size=7, shuffle=False, seed=0))
    found = task.evaluate(model, split, lambda chosen: BatchLoader(split=chosen, order=order, readers=0, pin=False))
    np.testing.assert_array_equal(found.targets, exact)  # type: ignore[attr-defined]
    assert found.metrics["loss"] < 1e-12
    assert found.metrics["mae"] < 1e-4
    batch = split.read(np.arange(30))  # what training compares with says the same
    np.testing.assert_allclose(batch.targets.numpy(), pixels.reshape(30, 2) / 255, atol=1e-6)


def test_what_is_not_a_number_is_an_error_that_names_the_example() -> None:
    """Of three images the second is white: 3e38 + 3e38 is beyond float32."""
    pixels = np.array([[[[0, 0]]], [[[255, 255]]], [[[0, 255]]]], dtype=np.uint8)
    network = Echo()
    network.head.weight.data = torch.tensor([[3e38, 3e38], [0.0, 1.0]])
    model = LoadedModel(SPEC, network, torch.device("cpu"), "32-true", "contiguous", {})
    task = registry.of(SPEC)
    first, second, third = task.predictor(model, PredictOptions()).predict([image[0] for image in pixels])
    assert (first.error, third.error) == (None, None)
    assert str(second.error).startswith("image 1: the model's output is not a number")
    assert second.to_dict()["prediction"] == {}
    store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
    split = ImageRegressionSplit(store, np.zeros((3, 2)), ["a", "b", "c"], SPEC.target_mean, SPEC.target_std)
    order = split.order(BatchPlan(size=2, shuffle=False, seed=0))
    with pytest.raises(RunError, match=r"^b: the model's output is not a number"):
        task.evaluate(model, split, lambda chosen: BatchLoader(split=chosen, order=order, readers=0, pin=False))
