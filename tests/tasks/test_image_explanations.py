"""Explanations of images where the truth is known: networks that look at one place and at nothing else."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

import sensorium
from command import run_command
from sensorium.build import load_model
from sensorium.errors import RequestError
from sensorium.specs import (
    ImageClassificationSpec,
    ImageRegressionSpec,
    ImageTaggingSpec,
    ObjectDetectionSpec,
    SemanticSegmentationSpec,
)
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explanation import Example, ExplainOptions

SIDE = 28
SHAPE = {"in_channels": 1, "image_size": (SIDE, SIDE), "mean": (0.0,), "std": (1.0,)}
CLASSES = {**SHAPE, "class_names": ("left", "right", "none")}


class Corners(nn.Module):
    """Logits (B, 3): how bright the upper left is, how bright the lower right is, and 1."""

    def forward(self, images):
        left, right = images[:, 0, :8, :8].mean(dim=(1, 2)), images[:, 0, 20:, 20:].mean(dim=(1, 2))
        return torch.stack([8 * left, 8 * right, torch.ones_like(left)], dim=1)


class Boxes(nn.Module):
    """Two boxes in the upper left: of class 0, whose score is the brightness there, and of class 1, whose score is the
    brightness of the lower right; each where that is above 0.1.
    """

    def forward(self, images):
        answers = []
        for image in images:
            scores = torch.stack([image[0, :8, :8].mean(), image[0, 20:, 20:].mean()])
            there = scores > 0.1
            boxes = image.new_tensor([[0.0, 0.0, 8.0, 8.0]] * 2)
            answers.append({"boxes": boxes[there], "labels": torch.arange(2)[there], "scores": scores[there]})
        return answers


class Pixels(nn.Module):
    """Logits (B, 2, H, W) of each pixel by itself: dark and bright."""

    def forward(self, images):
        return torch.cat([1 - images, 2 * images], dim=1)


def loaded(spec, network: nn.Module) -> LoadedModel:
    return LoadedModel(spec, network, torch.device("cpu"), "32-true", "contiguous", {})


def explained(spec, network, image, **options):
    task, chosen = registry.of(spec), ExplainOptions(**options)
    task.check_explain_options(chosen, spec)
    explainer = task.explainer(loaded(spec, network), chosen)
    (found,) = explainer.explain([image])
    return found, explainer.notes()


@pytest.fixture
def image() -> np.ndarray:
    """Bright in both corners, the left one more so, over a gray ground."""
    pixels = np.full((SIDE, SIDE), 30, np.uint8)
    pixels[:8, :8], pixels[20:, 20:] = 250, 150
    return pixels


def peak(attribution: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(attribution.argmax(), attribution.shape)
    return int(row), int(column)


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients", "gradient_shap"])
def test_why_this_and_not_that(image, method):
    found, _ = explained(ImageClassificationSpec(**CLASSES), Corners(), image, method=method, target=("left", "right"))
    left, right = found.targets
    assert (left.target, right.target) == ("left", "right")
    assert left.attribution.shape == (SIDE, SIDE)
    assert max(peak(left.attribution)) < 8
    assert min(peak(right.attribution)) >= 20
    assert np.abs(left.attribution[12:, 12:]).max() < 1e-4  # the other corner says nothing of it
    assert left.faithfulness.deletion < left.faithfulness.random_deletion < left.faithfulness.insertion
    assert left.warnings() == right.warnings() == []
    if method == "integrated_gradients":
        assert left.attribution.sum() == pytest.approx(8 * 250 / 255, rel=1e-4)
        assert left.faithfulness.completeness_error < 1e-4


def test_auto_takes_the_most_faithful_and_says_so(image):
    found, notes = explained(ImageClassificationSpec(**CLASSES), Corners(), image)
    assert found.method in notes[0]
    assert notes[0].startswith("method=auto: ")
    assert "on 1 input: " in notes[0]
    assert "rollout" not in notes[0]
    assert "gradcam" not in notes[0]  # the network has no maps
    values = {name: float(value) for name, value in re.findall(r"(\w+) (-?\d\.\d{3})", notes[0])}
    assert len(values) == 3
    assert max(values, key=values.get) == found.method
    _, notes = explained(ImageClassificationSpec(**CLASSES), Corners(), image, random_maps=0)
    assert notes == ["method=auto: occlusion, the preferred one: random_maps=0 measures nothing."]


def test_a_map_of_a_class_that_nothing_speaks_for_is_not_believed(image):
    found, _ = explained(ImageClassificationSpec(**CLASSES), Corners(), image, method="occlusion", target=("none",))
    (one,) = found.targets
    assert not one.attribution.any()
    assert "no better than random" in one.warnings()[0]
    assert found.rows()[0]["believe"] == "no"


def test_where_nothing_can_be_removed_no_map_is_better_than_another():
    black = np.zeros((SIDE, SIDE), np.uint8)  # the mean color itself
    found, _ = explained(ImageClassificationSpec(**CLASSES), Corners(), black, method="occlusion")
    assert found.targets[0].faithfulness.better_share == 0


def test_a_tag_by_its_probability(image):
    spec = ImageTaggingSpec(**CLASSES)
    found, _ = explained(spec, Corners(), image, method="occlusion")
    assert [one.target for one in found.targets] == ["left", "right", "none"]  # all are above one half
    assert found.targets[0].score == pytest.approx(torch.tensor(8 * 250 / 255).sigmoid().item())
    assert 0.5 < found.targets[0].faithfulness.insertion < 1  # of probabilities, not of logits
    found, _ = explained(spec, Corners(), image, method="occlusion", threshold=0.999, random_maps=0)
    assert [one.target for one in found.targets] == ["left"]


def test_a_box(image):
    found, _ = explained(ObjectDetectionSpec(**CLASSES), Boxes(), image, method="occlusion")
    one, other = found.targets
    assert (other.target, other.score) == ("right", pytest.approx(150 / 255))
    assert min(peak(other.attribution)) >= 20  # of another class at the same place
    assert (one.target, one.details) == ("left", {"box": [0.0, 0.0, 8.0, 8.0]})
    assert one.score == pytest.approx(250 / 255)
    assert max(peak(one.attribution)) < 8
    assert np.abs(one.attribution[12:, 12:]).max() == 0
    assert one.warnings() == []


def test_an_image_without_a_box_has_nothing_to_explain():
    found, notes = explained(ObjectDetectionSpec(**CLASSES), Boxes(), np.zeros((SIDE, SIDE), np.uint8))
    assert (found.targets, found.error) == ((), None)
    assert notes == ["1 input without a target to explain"]


def test_a_pixel_of_a_mask(image):
    spec = SemanticSegmentationSpec(**SHAPE, class_names=("dark", "bright"), palette=(0,) * 6)
    found, _ = explained(spec, Pixels(), image, method="integrated_gradients", pixel=(25, 21))  # x, y
    (one,) = found.targets
    assert one.target == "bright"
    assert one.details["pixel"] == [25, 21]
    assert peak(one.attribution) == (21, 25)
    assert np.count_nonzero(one.attribution) == 1
    assert float(one.attribution.sum()) == pytest.approx(2 * 150 / 255, rel=1e-4)


def test_the_pixel_is_of_the_image_as_it_is_given(image):
    spec = SemanticSegmentationSpec(**SHAPE, class_names=("dark", "bright"), palette=(0,) * 6)
    twice = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)
    found, _ = explained(spec, Pixels(), twice, method="integrated_gradients", pixel=(51, 43), random_maps=0)
    assert peak(found.targets[0].attribution) == (21, 25)
    found, _ = explained(spec, Pixels(), image, pixel=(51, 43))
    assert found.error == "image 0: pixel=51,43 lies outside of an image of 28x28 pixels (width, height)"


def test_classes_of_a_mask_from_the_most_common_on(image):
    spec = SemanticSegmentationSpec(**SHAPE, class_names=("dark", "bright"), palette=(0,) * 6)
    found, _ = explained(spec, Pixels(), image, method="integrated_gradients")
    assert [one.target for one in found.targets] == ["dark", "bright"]
    bright = found.targets[1].attribution
    assert bright[:8, :8].min() > 0
    assert not bright[8:20, 8:20].any()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_in_its_own_unit(image, sign):
    spec = ImageRegressionSpec(
        **SHAPE, target_names=("a", "b", "c"), target_mean=(5.0,) * 3, target_std=(sign * 2.0,) * 3
    )
    found, _ = explained(spec, Corners(), image, method="integrated_gradients", target=("a",))
    (one,) = found.targets
    assert one.score == pytest.approx(5 + sign * 16 * 250 / 255, rel=1e-5)
    assert one.attribution.sum() == pytest.approx(sign * 16 * 250 / 255, rel=1e-4)
    # Below the baseline it is the fall that is explained, and the curves go from 1 to 0 all the same.
    assert 0 <= one.faithfulness.deletion < one.faithfulness.random_deletion < one.faithfulness.insertion <= 1
    assert one.warnings() == []


def test_wrong_requests():
    spec = ImageClassificationSpec(**CLASSES)
    task = registry.of(spec)
    for options, said in (
        ({"target": ("lift",)}, "There is no target 'lift'. Did you mean left?"),
        ({"method": "grad_cam"}, "Did you mean gradcam?"),
        ({"pixel": (1, 2)}, "pixel= does not apply to explanations of this checkpoint"),
    ):
        with pytest.raises(RequestError) as raised:
            task.check_explain_options(ExplainOptions(**options), spec)
        assert said in str(raised.value)
    with pytest.raises(RequestError, match="method=gradcam does not fit this model, Corners"):
        explained(spec, Corners(), np.zeros((SIDE, SIDE), np.uint8), method="gradcam")


# -- a trained network, and the files


@pytest.fixture(scope="module")
def trained(trained_run: Path) -> LoadedModel:
    return load_model(trained_run / "checkpoints" / "best.ckpt", accelerator="cpu")


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:7, 3:5] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def test_order_errors_names_and_truth(trained, digit, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    task = registry.of(trained.spec)
    explainer = task.explainer(trained, ExplainOptions(method="gradcam", random_maps=0, batch_size=2))
    one = np.asarray(Image.open(digit))
    inputs = [digit, tmp_path / "bad.png", Example("digits[3]", one, ("7",)), one]
    found = list(explainer.explain(inputs))
    assert [one.input for one in found] == [str(digit), str(tmp_path / "bad.png"), "digits[3]", "image 3"]
    assert [one.error is None for one in found] == [True, False, True, True]
    assert "bad.png" in found[1].error
    assert "7" in [one.target for one in found[2].targets]
    assert np.array_equal(found[0].targets[0].attribution, found[3].targets[0].attribution)
    with pytest.raises(RequestError, match="There is no explanation to save"):
        found[1].save(tmp_path / "why.png")


def test_predictions_are_the_same_afterwards(trained, digit):
    """Hooks, gradients and random weights are a copy's."""
    before = {name: weight.clone() for name, weight in trained.model.state_dict().items()}
    task = registry.of(trained.spec)
    (found,) = task.explainer(trained, ExplainOptions()).explain([digit])
    assert all(torch.equal(before[name], weight) for name, weight in trained.model.state_dict().items())
    assert not any(module._forward_hooks for module in trained.model.modules())
    assert all(weight.grad is None for weight in trained.model.parameters())
    assert found.targets[0].faithfulness.random_weights_correlation < 0.7


def test_of_the_python_api(trained_run, digit, tmp_path):
    model = sensorium.load(trained_run, accelerator="cpu")
    found = model.explain(digit, target=["1", "7"], random_maps=5)
    assert found.save(tmp_path / "why.png") == tmp_path / "why.png"
    with Image.open(tmp_path / "why.png") as drawn:
        assert drawn.format == "PNG"
        assert drawn.size[0] > 3 * 224  # the image, and a panel for each of the two
    record = json.loads(found.save(tmp_path / "why.json").read_text())
    assert [one["target"] for one in record["targets"]] == ["1", "7"]
    assert record["targets"][0]["shape"] == [8, 8]
    assert np.allclose(record["targets"][0]["attribution"], found.targets[0].attribution)
    assert set(record["targets"][0]["faithfulness"]) >= {"deletion", "insertion", "random_deletion", "better_share"}
    with pytest.raises(RequestError, match=r"can be saved as \.png or \.json"):
        found.save(tmp_path / "why.html")
    probability = dict(next(model.predict(digit, top_k=10)).classes)["7"]
    assert found.targets[1].score == pytest.approx(probability, abs=1e-5)
    several = list(model.explanations([digit, b"no image"], method="occlusion", random_maps=0))
    assert [one.error is None for one in several] == [True, False]
    with pytest.raises(RequestError, match="not a readable"):
        model.explain(b"no image")
    with pytest.raises(RequestError, match="Did you mean steps"):
        model.explanations([digit], step=3)


METHODS = ("gradcam", "occlusion", "integrated_gradients", "gradient_shap")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """The network of experiment=digits_cnn after 12 epochs."""
    folder = tmp_path_factory.mktemp("good")
    arguments = [
        "experiment=digits_cnn",
        "trainer.max_epochs=12",
        "threads=1",
        "accelerator=cpu",
        "test=false",
    ]
    assert run_command(["train", *arguments], folder).status == 0
    (checkpoint,) = folder.rglob("best.ckpt")
    return load_model(checkpoint, accelerator="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_maps_of_a_trained_network_beat_random_ones_and_random_weights(good, method):
    """Of twenty digits: the mean of each number (Petsiuk 2018, Adebayo 2018)."""
    digits = [np.rint(pixels * (255 / 16)).astype(np.uint8) for pixels in load_digits().images[-20:]]
    explainer = registry.of(good.spec).explainer(good, ExplainOptions(method=method))
    found = [one.targets[0].faithfulness for one in explainer.explain(digits)]

    def mean(name):
        return np.mean([getattr(one, name) for one in found])

    assert mean("deletion") < 0.9 * mean("random_deletion")
    assert mean("insertion") > mean("random_insertion")
    assert abs(mean("random_weights_correlation")) < 0.5
    if method == "integrated_gradients":
        assert mean("completeness_relative") < 0.05
