"""torchvision's detectors as they are wrapped: what they are given, and what they give."""

import inspect
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import detection

from model_contract import assert_defaults_agree, assert_every_yaml_has_a_row, yamls_naming
from sensorium.batches import IGNORED, Boxes
from sensorium.errors import RequestError
from sensorium.models.protocols import Detector
from sensorium.models.vision import torchvision_detection as wrapped
from sensorium.nn.flops import count_parameters

DATA = {"in_channels": 1, "num_classes": 10, "image_size": (64, 96)}
PARAMETERS = {"ssdlite": 2_331_260, "fasterrcnn_mobilenet": 19_569_285, "fcos": 32_136_015, "retinanet": 32_387_774}
# The first box is difficult, the fourth has no area, the last is none.
TARGETS = Boxes(
    torch.tensor([[[1.0, 1, 60, 60], [10, 10, 40, 50]], [[5, 5, 20, 20], [8, 8, 8, 20]], [[0, 0, 0, 0]] * 2]),
    torch.tensor([[1, 0], [9, 3], [IGNORED, IGNORED]]),
    torch.tensor([[True, False], [False, False], [False, False]]),
)


def build(name: str, **changes: Any) -> wrapped.TorchvisionDetector:
    function = getattr(wrapped, name)
    arguments = {key: value for key, value in DATA.items() if key in inspect.signature(function).parameters}
    torch.manual_seed(0)
    return function(**arguments | changes)


def test_every_yaml_of_a_detector_has_a_case() -> None:
    rows = {*PARAMETERS, "scene_detector"}  # which has a file of its own: test_scene_detector.py
    table = "PARAMETERS in tests/models/test_torchvision_detection.py"
    assert_every_yaml_has_a_row(yamls_naming(Detector), rows, table=table)


@pytest.mark.parametrize("name", PARAMETERS)
def test_losses_in_training_and_boxes_otherwise(name: str) -> None:
    model = build(name)
    assert count_parameters(model) == PARAMETERS[name]
    images = torch.randn(3, 1, 64, 96)
    with torch.autocast("cpu", torch.bfloat16):
        parts = model(images, TARGETS)
    assert set(parts) == set(model.loss_names)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in parts.values())
    torch.stack(list(parts.values())).sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in model.parameters())
    with torch.no_grad():
        found = model.eval()(images)
    assert len(found) == 3
    for one in found:
        assert one["boxes"].shape == (len(one["scores"]), 4)
        assert ((one["labels"] >= 0) & (one["labels"] < 10)).all()
        assert (one["boxes"] <= torch.tensor([96, 64, 96, 64])).all()
        assert (one["scores"][1:] <= one["scores"][:-1]).all()
    assert any(key.startswith("head.") for key in model.state_dict())
    accepted = {key for key in DATA if key in inspect.signature(getattr(wrapped, name)).parameters}
    assert_defaults_agree(name, dict.fromkeys(accepted))


class Told(nn.Module):
    """Writes down what a detector is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = nn.Identity(), nn.Identity()
        self.calls: list[Any] = []
        self.score_thresh, self.detections_per_img = 0.01, 100

    def forward(self, images: Any, targets: Any = None) -> Any:
        self.calls.append((self.training, images, targets))
        answer = {"boxes": torch.zeros(1, 4), "labels": torch.tensor([4]), "scores": torch.ones(1)}
        return {} if targets else [answer]


@pytest.mark.parametrize("background", [True, False])
def test_what_a_detector_is_told(background: bool) -> None:
    inner = Told()
    model = wrapped.TorchvisionDetector(
        detector=inner, in_channels=1, heads=[inner.head], background=background, loss_names=()
    )
    model(torch.rand(3, 1, 4, 4), TARGETS)
    training, images, targets = inner.calls[0]
    assert training is True
    assert images.shape == (3, 3, 4, 4)
    assert torch.equal(images[:, 0], images[:, 2])
    assert [one["boxes"].tolist() for one in targets] == [[[10, 10, 40, 50]], [[5, 5, 20, 20]], []]
    assert [one["labels"].tolist() for one in targets] == [[int(background)], [9 + background], []]
    assert model.eval()(torch.rand(1, 3, 4, 4))[0]["labels"].tolist() == [4 - background]
    assert not inner.calls[1][0]


def test_a_picture_is_seen_as_it_is() -> None:
    """torchvision's own transform, told to do nothing, gives the same answers."""
    model = build("ssdlite").eval()
    theirs = detection.transform.GeneralizedRCNNTransform(
        96, 96, [0.0] * 3, [1.0] * 3, size_divisible=1, fixed_size=(96, 64)
    )
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        mine = model(images)
        model._detector[0].transform = theirs
        other = model._detector[0](list(images))
    for one, two in zip(mine, other, strict=True):
        torch.testing.assert_close(one["boxes"], two["boxes"])
        assert torch.equal(one["labels"], two["labels"] - 1)


def test_anchors_shrink_with_the_picture() -> None:
    small, large = (build("retinanet", image_size=size).anchor_generator.sizes for size in ((320, 200), (1000, 900)))
    assert large[0][0] == 32
    assert small[0][0] == pytest.approx(32 * 0.4)


def test_published_weights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", missing)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", missing)
    with pytest.raises(RequestError, match=r"could not be downloaded: no network\.\nFetch https://\S+ "):
        build("ssdlite", pretrained=True)


def test_published_weights_are_taken_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    published = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=91)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: published.state_dict())
    found, fresh, theirs = build("ssdlite", pretrained=True).state_dict(), build("ssdlite").state_dict(), None
    theirs = published.state_dict()
    same = [key for key in found if theirs[key].shape == found[key].shape]
    assert all(torch.equal(found[key], theirs[key]) for key in same)
    others = set(found) - set(same)
    assert len(others) == 6 * 2  # weights and biases of six maps
    assert all("classification_head" in key and torch.equal(found[key], fresh[key]) for key in others)


def test_channels_that_are_neither_grey_nor_colour() -> None:
    with pytest.raises(RequestError, match="1 or 3 channels, not 4"):
        build("ssdlite", in_channels=4)
