"""The contract every model of a class for each pixel keeps, and what is particular to each."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torchvision import models

from model_contract import (
    MODELS,
    assert_defaults_agree,
    assert_every_yaml_has_a_row,
    assert_everything_learns,
    assert_shards_answer_alike,
    assert_weights_are_all,
    yamls_naming,
)
from sensorium.errors import RequestError
from sensorium.models.protocols import Segmenter
from sensorium.models.vision.torchvision_segmentation import TorchvisionSegmenter
from sensorium.models.vision.unet import UNet
from sensorium.nn.flops import count_parameters
from sensorium.nn.transfer import freeze_backbone

DATA: dict[str, Any] = {"in_channels": 3, "num_classes": 5}
# For five classes. unet, per level: convolutions 9 * (in * out + out * out), normalisations 4 * out; back up: 2x2
# kernels and bias, then 9 * (2 * out * out + out * out) + 4 * out; head 24 * 5 + 5.
PARAMETERS = {
    "unet": sum(9 * (a * b + b * b) + 4 * b for a, b in ((3, 24), (24, 48), (48, 96), (96, 192), (192, 384)))
    + sum(4 * 2 * c * c + c + 9 * 3 * c * c + 4 * c for c in (24, 48, 96, 192))
    + 125,
    # torchvision's 35,322,218 for 21 classes, less the auxiliary classifier's 9 * 1024 * 256 + 512 + 257 * 21
    "fcn": 35_322_218 - 2_365_205 - 16 * 513,
    # likewise less 9 * 40 * 10 + 20 + 11 * 21
    "deeplabv3": 11_029_328 - 3_851 - 16 * 257,
    # 3,221,538 less 16 * (40 + 128 + 2), less the second bias of five
    "lraspp": 3_221_538 - 16 * 170 - 5,
}


def build(name: str, **overrides: Any) -> nn.Module:
    torch.manual_seed(0)
    return instantiate(OmegaConf.load(MODELS / f"{name}.yaml"), **DATA | overrides)


def test_every_yaml_has_a_case() -> None:
    table = "PARAMETERS in tests/models/test_segmentation_models.py"
    assert_every_yaml_has_a_row(yamls_naming(Segmenter), PARAMETERS, table=table)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_contract(name: str) -> None:
    model = build(name)
    images = torch.randn(3, 3, 34, 41, generator=torch.Generator().manual_seed(1))
    assert count_parameters(model) == PARAMETERS[name]
    model(images).square().mean().backward()
    assert_everything_learns(model)
    model.eval()
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (3, 5, 34, 41)
        torch.testing.assert_close(model(images[1:2]), logits[1:2], atol=1e-5, rtol=1e-4)
        assert model(images[:1, :, :9, :7]).shape == (1, 5, 9, 7)
    assert_weights_are_all(model, build(name), images)
    assert build(name, in_channels=1)(torch.randn(1, 1, 32, 32)).shape == (1, 5, 32, 32)  # learns from one image too
    freeze_backbone(model)
    assert [key for key, value in model.named_parameters() if value.requires_grad] == ["head.weight", "head.bias"]
    assert_shards_answer_alike(model, images)


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_only_the_head_depends_on_the_classes(name: str) -> None:
    five, nine = ({key: value.shape for key, value in build(name, num_classes=k).state_dict().items()} for k in (5, 9))
    assert {key for key in five if five[key] != nine[key]} == {"head.weight", "head.bias"}


def test_defaults() -> None:
    assert_defaults_agree("unet", DATA)
    for name in ("fcn", "deeplabv3", "lraspp"):
        assert_defaults_agree(name, DATA, differing=("family", "backbone"))


def small_unet(**changes: Any) -> UNet:
    torch.manual_seed(0)
    return UNet(**{"in_channels": 1, "num_classes": 2, "width": 4, "depth": 2, "dropout": 0.0} | changes).eval()


@pytest.mark.parametrize("changes", [{}, {"thin": True}, {"residual": True}], ids=str)
def test_a_unet_gives_every_size_its_own(changes: dict[str, Any]) -> None:
    model = small_unet(**changes)
    for height, width in ((1, 1), (2, 3), (16, 16), (13, 21)):
        assert model(torch.randn(1, 1, height, width)).shape == (1, 2, height, width)


def test_what_a_unet_says_inside_does_not_depend_on_the_size() -> None:
    """A pixel 20 or more from every edge sees nothing but the image: more rows and columns change nothing there."""
    model, picture = small_unet(), torch.randn(1, 1, 53, 49)
    with torch.no_grad():
        whole, part = model(picture), model(picture[..., :46, :42])
    torch.testing.assert_close(whole[..., :24, :20], part[..., :24, :20])
    assert not torch.allclose(whole[..., :46, :42], part)


def test_a_thin_level_costs_less_and_has_half_the_channels() -> None:
    model = small_unet(thin=True)
    assert model.head.in_channels == 2
    assert len(model.down) == 4
    # 9 * 2 + 4, and back up 4 * 4 * 2 + 2, 9 * 4 * 2 + 4; the first level then has 2 channels coming in, not 1
    assert count_parameters(model) - count_parameters(small_unet()) == 22 + 34 + 76 + 9 * 4 - 4


def test_torchvision_gets_its_own_networks() -> None:
    for family, backbone in (("lraspp", "mobilenet_v3_large"), ("deeplabv3", "mobilenet_v3_large")):
        torch.manual_seed(0)
        published = models.get_model(f"{family}_{backbone}", weights=None, weights_backbone=None, num_classes=5).eval()
        model = TorchvisionSegmenter(family=family, backbone=backbone, **DATA).eval()
        state = published.state_dict()
        model.backbone.load_state_dict({k.removeprefix("backbone."): v for k, v in state.items() if "backbone" in k})
        heads = {k.removeprefix("classifier."): v for k, v in state.items() if k.startswith("classifier.")}
        if family == "lraspp":
            low, high = (heads.pop(f"{part}_classifier.weight") for part in ("low", "high"))
            bias = heads.pop("low_classifier.bias") + heads.pop("high_classifier.bias")
            model.head.load_state_dict({"weight": torch.cat([low, high], dim=1), "bias": bias})
            model.neck.load_state_dict(heads)
        else:
            model.head.load_state_dict({"weight": heads.pop("4.weight"), "bias": heads.pop("4.bias")})
            model.neck.load_state_dict({f"layers.{key}": value for key, value in heads.items()})
        images = torch.randn(2, 3, 65, 48)
        with torch.no_grad():
            torch.testing.assert_close(model(images), published(images)["out"], atol=1e-5, rtol=1e-4)


def test_published_weights_are_adapted(tmp_path: Path) -> None:
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    try:
        torch.manual_seed(0)
        published = models.get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None)
        url = models.get_model_weights("lraspp_mobilenet_v3_large").DEFAULT.url
        (tmp_path / "checkpoints").mkdir()
        torch.save(published.state_dict(), tmp_path / "checkpoints" / url.rsplit("/", 1)[-1])
        options = DATA | {"family": "lraspp", "backbone": "mobilenet_v3_large", "pretrained": True}
        model = TorchvisionSegmenter(**options | {"in_channels": 1})
    finally:
        torch.hub.set_dir(before)
    kernel = published.backbone["0"][0].weight
    torch.testing.assert_close(model.backbone["0"][0].weight, kernel.sum(1, keepdim=True))
    assert torch.equal(model.neck.cbr[0].weight, published.classifier.cbr[0].weight)


@pytest.mark.parametrize(
    ("family", "backbone", "message"),
    [
        ("fnc", "resnet50", "no family of segmenters .*'fnc'. Did you mean fcn"),
        ("fcn", "mobilenet_v3_large", "no backbone of fcn .*\nAllowed: resnet101, resnet50."),
    ],
)
def test_torchvision_refuses(family: str, backbone: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        TorchvisionSegmenter(family=family, backbone=backbone, **DATA)


def test_unet_averages_an_image_and_its_flip_when_asked() -> None:
    plain, averaging = small_unet(), small_unet(flip_tta=True)
    images = torch.randn(2, 1, 13, 18, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = averaging(images)
        torch.testing.assert_close(found, (plain(images) + plain(images.flip(3)).flip(3)) / 2)
        torch.testing.assert_close(found, averaging(images.flip(3)).flip(3))
        # In training it sees one view.
        torch.testing.assert_close(averaging.train()(images), plain.train()(images))
