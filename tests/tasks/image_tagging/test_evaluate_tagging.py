"""A tagger over a whole split: every image once whatever the batches, the tables it leaves, and raw images."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, log_loss
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.vision.splits import TagSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.errors import RequestError
from sensorium.specs import ImageTaggingSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel, PredictOptions
from sensorium.tasks.image_tagging.evaluate import TaggingEvaluation
from sensorium.tasks.image_tagging.report import mistakes

NAMES = ("left", "right", "never")
SPEC = ImageTaggingSpec(class_names=NAMES, in_channels=1, image_size=(1, 2), mean=(0.5,), std=(0.25,))
TASK = registry.get("image_tagging")


class Bright(nn.Module):
    """The left and the right pixel, from -2 to 2, are the logits of the first two tags."""

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1)
        return torch.cat([pixels, torch.full_like(pixels[:, :1], -3)], dim=1)


def model_of(spec: ImageTaggingSpec = SPEC) -> LoadedModel:
    return LoadedModel(spec, Bright(), torch.device("cpu"), "32-true", "contiguous", {})


def split_of(count: int) -> TagSplit:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 1, 1, 2), dtype=np.uint8)
    targets = np.zeros((count, 3), dtype=np.uint8)
    targets[:, :2] = random.random((count, 2)) < pixels[:, 0, 0] / 255
    store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
    return TagSplit(store, targets, [f"{row}.png" for row in range(count)])


def evaluated(split: TagSplit, batch_size: int = 7) -> TaggingEvaluation:
    def loader_of(chosen: TagSplit) -> BatchLoader:
        order = chosen.order(BatchPlan(size=batch_size, shuffle=False, seed=0))
        return BatchLoader(split=chosen, order=order, readers=1)

    found = TASK.evaluate(model_of(), split, loader_of)
    assert isinstance(found, TaggingEvaluation)
    return found


def test_the_metrics_are_scikit_learns() -> None:
    split = split_of(50)
    found = evaluated(split)
    logits = (split.images.read(np.arange(50)).reshape(50, 2) / 255 - 0.5) / 0.25
    probabilities = np.column_stack([1 / (1 + np.exp(-logits)), np.full(50, 1 / (1 + np.exp(3)))])
    np.testing.assert_allclose(found.probabilities, probabilities, rtol=1e-5)
    metrics = found.metrics
    two, predicted = split.targets[:, :2], probabilities[:, :2] >= 0.5
    assert metrics["map"] == pytest.approx(average_precision_score(two, probabilities[:, :2]))
    assert metrics["micro_f1"] == pytest.approx(f1_score(two, predicted, average="micro"))
    assert metrics["macro_f1"] == pytest.approx(f1_score(two, predicted, average="macro"))
    assert metrics["subset_accuracy"] == pytest.approx(np.mean((two == predicted).all(1)))
    assert metrics["loss"] == pytest.approx(
        np.mean([log_loss(split.targets[:, k], probabilities[:, k], labels=[0, 1]) for k in range(3)]), rel=1e-6
    )


def test_the_batches_do_not_matter() -> None:
    split = split_of(11)
    one, other = evaluated(split, 1), evaluated(split, 4)
    assert np.array_equal(one.probabilities, other.probabilities)
    assert one.metrics == other.metrics


def test_what_is_undefined_is_no_metric() -> None:
    found = evaluated(replace(split_of(5), targets=np.zeros((5, 3), dtype=np.uint8)))
    assert "map" not in found.metrics
    assert found.metrics["micro_f1"] == 0


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_report(tmp_path: Path, kind: str) -> None:
    split = split_of(40)
    found = evaluated(split)
    paths = TASK.report(found, folder=tmp_path, split=split, spec=SPEC, predictions_format=kind, split_name="val")
    names = ["per_class.csv", f"predictions.{kind}", "plots/precision_recall.png", "plots/worst.png"]
    assert [str(path.relative_to(tmp_path)) for path in paths] == names
    assert all(path.stat().st_size for path in paths)
    left, _, never = csv.DictReader((tmp_path / "per_class.csv").open())
    assert (left["tag"], int(left["support"])) == ("left", split.targets[:, 0].sum())
    best = float(left["best_threshold"])
    values = [f1_score(split.targets[:, 0], found.probabilities[:, 0] >= cut) for cut in found.probabilities[:, 0]]
    assert f1_score(split.targets[:, 0], found.probabilities[:, 0] >= best) == pytest.approx(max(values))
    assert [never[key] for key in ("average_precision", "recall", "best_threshold", "support")] == ["", "", "", "0"]
    text = (tmp_path / f"predictions.{kind}").read_text()
    rows = (
        [json.loads(line) for line in text.splitlines()] if kind == "jsonl" else list(csv.DictReader(text.splitlines()))
    )
    assert [row["name"] for row in rows] == list(split.names)
    both = int(np.flatnonzero(split.targets[:, :2].all(1))[0])
    assert rows[both]["tags"] == (["left", "right"] if kind == "jsonl" else "left|right")
    exact = (found.predicted == (split.targets > 0)).all(1)
    assert [str(row["correct"]).lower() for row in rows] == [str(value).lower() for value in exact.tolist()]
    probability = rows[3]["probabilities"]["right"] if kind == "jsonl" else float(rows[3]["probability_right"])
    assert probability == pytest.approx(found.probabilities[3, 1], rel=1e-5)


def test_a_report_without_a_mistake(tmp_path: Path) -> None:
    split = split_of(6)
    right = replace(split, targets=evaluated(split).predicted.astype(np.uint8))
    paths = TASK.report(
        evaluated(right), folder=tmp_path, split=right, spec=SPEC, predictions_format="csv", split_name="test"
    )
    assert all(path.exists() for path in paths)
    assert "best_threshold" not in (tmp_path / "per_class.csv").read_text()  # a test is not for choosing


def test_other_data_is_relabeled_by_the_names_of_its_tags() -> None:
    split = replace(split_of(3), targets=np.array([[1, 0], [0, 1], [1, 1]], dtype=np.uint8))
    other = replace(SPEC, class_names=("never", "left"))
    assert TASK.relabeled(split, other, SPEC).targets.tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 1]]
    assert TASK.relabeled(split, SPEC, SPEC) is split
    with pytest.raises(RequestError, match="was not trained for: up"):
        TASK.relabeled(split, replace(SPEC, class_names=("left", "up")), SPEC)


def test_balanced_weights_are_negatives_to_positives() -> None:
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]], dtype=np.uint8)
    weights = TASK.balanced_weights(replace(split_of(4), targets=targets), 3)
    # A tag that is on every image, or on none, keeps a weight that is not 0 and not infinite.
    assert weights.tolist() == [3, 1 / 4, 4]


def predictions_of(threshold: float | None = None) -> list[Any]:
    predictor = TASK.predictor(model_of(), PredictOptions(threshold=threshold, batch_size=2))
    dark, bright, split = np.array([[[0, 0]], [[255, 255]], [[0, 255]]], dtype=np.uint8)
    return list(predictor.predict([dark, bright, "nothing.png", split]))


def test_predictions() -> None:
    dark, bright, missing, split = predictions_of()
    assert (dark.tags, dark.to_dict()["tags"]) == ((), [])
    probability = 1 / (1 + np.exp(-2))
    assert [name for name, _ in bright.tags] == ["left", "right"]
    assert split.to_dict() == {
        "input": "image 3",
        "tags": [{"tag": "right", "probability": pytest.approx(probability)}],
    }
    assert "nothing.png" in missing.to_dict()["error"]
    (row,) = bright.rows()
    assert (row["tags"], row["probability_never"]) == ("left|right", pytest.approx(1 / (1 + np.exp(3))))
    assert [list(one.rows()[0]) for one in (dark, missing)] == [list(row)] * 2
    assert split.summary() == {"input": "image 3", "tags": "right 0.881"}


def test_a_lower_threshold_gives_more_tags_the_surest_first() -> None:
    dark, bright, _, split = predictions_of(threshold=0.1)
    assert [name for name, _ in dark.tags] == ["left", "right"]
    assert [name for name, _ in split.tags] == ["right", "left"]
    assert len(bright.tags) == 2


def test_a_threshold_that_is_no_probability() -> None:
    with pytest.raises(RequestError, match=r"threshold=1.5 is not possible: it is a probability, from 0 to 1"):
        predictions_of(threshold=1.5)


def test_probabilities_that_are_not_numbers_are_an_error() -> None:
    """The second image is white on its left, from which this model takes a root that is no number."""

    class Root(Bright):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) + (1 - images.flatten(1)[:, :1]).sqrt()

    model = LoadedModel(SPEC, Root(), torch.device("cpu"), "32-true", "contiguous", {})
    dark, white = np.array([[[0, 0]], [[255, 0]]], dtype=np.uint8)
    found = list(TASK.predictor(model, PredictOptions()).predict([dark, white]))
    assert [one.error is None for one in found] == [True, False]
    assert found[1].to_dict()["tags"] == []
    assert found[1].rows()[0]["probability_left"] == ""


def test_the_worst_images_say_what_is_missed_and_what_is_added() -> None:
    probabilities = np.array([[0.9, 0.4, 0.1]], dtype=np.float32)
    found = TaggingEvaluation(probabilities, np.array([[0, 1, 0]], dtype=np.uint8), np.zeros(1), 1.0)
    assert mistakes(found, 0, NAMES) == "added left (0.90)\nmissed right (0.40)"
