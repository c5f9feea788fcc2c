"""The method that a checkpoint is explained by: chosen on validation examples, kept, and taken without a comparison."""

import numpy as np
import pytest
import torch
from torch import nn

from sensorium.attribution.faithfulness import curves, ends_of
from sensorium.attribution.methods import METHODS, Settings
from sensorium.errors import RequestError
from sensorium.specs import ImageClassificationSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explanation import ExplainOptions
from sensorium.tasks.explanation_choice import ExplanationChoice, affordable

SPEC = ImageClassificationSpec(
    in_channels=1, image_size=(28, 28), mean=(0.0,), std=(1.0,), class_names=("left", "right")
)
STORED = ExplanationChoice("gradient_shap", 0.5, 8, {"occlusion": 0.25})


class Corners(nn.Module):
    """Logits (B, 2): how bright the upper left is, and how bright the lower right is."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, images):
        self.calls += len(images)
        return torch.stack([8 * images[:, 0, :8, :8].mean(dim=(1, 2)), 8 * images[:, 0, 20:, 20:].mean(dim=(1, 2))], 1)


def explainer_of(**options):
    loaded = LoadedModel(SPEC, Corners(), torch.device("cpu"), "32-true", "contiguous", {})
    return registry.of(SPEC).explainer(loaded, ExplainOptions(**options))


@pytest.fixture
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (28, 28), dtype=np.uint8) for _ in range(10)]


def test_a_choice_is_the_best_mean_of_insertion_minus_deletion(images):
    explainer = explainer_of(steps=4)
    choice = explainer.choice(images)
    assert choice.examples == 8  # of the ten
    expected = {}
    prepared = list(explainer.prepare(images))[:8]
    for name in ("occlusion", "integrated_gradients", "gradient_shap"):
        found = []
        for one in prepared:
            maps = METHODS[name].attribute(one.subject, Settings(steps=4))
            deletion, insertion = curves(one.subject, one.subject.importance(maps), ends_of(one.subject), seed=0)
            found.append(float(insertion - deletion))
        expected[name] = sum(found) / 8
    assert {choice.method: choice.score, **choice.others} == pytest.approx(expected)
    assert choice.score == max(expected.values())
    with pytest.raises(RequestError, match="3 of the examples have something to explain; it takes 4"):
        explainer_of().choice(images[:3])


def test_auto_is_the_choice_in_the_checkpoint_and_compares_nothing(images):
    explainer = explainer_of(choice=STORED)
    (found,) = explainer.explain(images[:1])
    assert found.method == "gradient_shap"
    assert explainer.notes() == [
        "method=auto: gradient_shap, chosen after training by insertion - deletion on 8 validation examples: "
        "gradient_shap 0.500; occlusion 0.250."
    ]
    compared = explainer_of()
    list(compared.explain(images[:1]))
    assert explainer.network.calls < compared.network.calls / 2
    assert compared.notes()[0].endswith("The checkpoint holds no choice made on validation examples.")
    named = explainer_of(choice=STORED, method="occlusion")
    assert [one.method for one in named.explain(images[:1])] == ["occlusion"]


def test_a_choice_that_does_not_fit_the_model_is_not_taken(images):
    explainer = explainer_of(choice=ExplanationChoice("gradcam", 0.9, 8, {}))
    (found,) = explainer.explain(images[:1])  # the network has no maps
    assert found.method != "gradcam"


def test_a_choice_is_kept_as_plain_types_and_takes_nothing_on_trust():
    assert ExplanationChoice.from_dict(STORED.to_dict()) == STORED
    for wrong in (None, {}, STORED.to_dict() | {"method": "eval"}, STORED.to_dict() | {"score": "high"}):
        with pytest.raises(ValueError, match=r"no table|no method"):
            ExplanationChoice.from_dict(wrong)
    with pytest.raises(ValueError, match="examples is no count"):
        ExplanationChoice.from_dict(STORED.to_dict() | {"examples": "all"})


def test_a_large_model_is_given_fewer_examples():
    assert [affordable(flops, "cpu") for flops in (0, 2.5e10, 4e10, 1e12)] == [8, 8, 5, 0]
    assert affordable(1e12, "cuda") == 8
