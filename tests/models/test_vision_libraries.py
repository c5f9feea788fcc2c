"""What is particular to the classifiers of torchvision and timm."""

import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from sensorium.errors import RequestError
from sensorium.models.vision.timm import TimmClassifier
from sensorium.models.vision.torchvision import TorchvisionClassifier


def torchvision_model(name: str, size: int, in_channels: int = 3, **options: bool) -> TorchvisionClassifier:
    return TorchvisionClassifier(
        name=name, in_channels=in_channels, num_classes=4, image_size=(size, size), **options
    ).eval()


def test_a_large_picture_gets_the_published_network() -> None:
    torch.manual_seed(0)
    model, published = torchvision_model("resnet18", 96), models.resnet18(num_classes=4).eval()
    renamed = {key.removeprefix("backbone."): value for key, value in model.state_dict().items()}
    published.load_state_dict({key.replace("head.", "fc."): value for key, value in renamed.items()})
    images = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(model(images), published(images))


def test_a_small_picture_gets_a_stem_that_does_not_shrink_it() -> None:
    model = torchvision_model("resnet18", 64, in_channels=1)
    assert model.backbone.conv1.weight.shape == (64, 1, 3, 3)
    assert model.backbone.conv1.stride == (1, 1)
    assert isinstance(model.backbone.maxpool, nn.Identity)
    assert not model.backbone.layer1[0].bn2.weight.any()  # blocks start as the identity
    wide = TorchvisionClassifier(name="resnet18", in_channels=1, num_classes=4, image_size=(32, 65)).backbone
    assert wide.conv1.stride == (2, 2)
    assert isinstance(wide.maxpool, nn.MaxPool2d)


@pytest.mark.parametrize(
    "name", ["alexnet", "densenet121", "googlenet", "mnasnet0_5", "squeezenet1_1", "swin_t", "vit_b_32"]
)
def test_other_families_work_on_small_pictures(name: str) -> None:
    model = torchvision_model(name, 32)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
    if name == "googlenet":
        assert model.train()(torch.randn(2, 3, 32, 32)).shape == (2, 4)  # no auxiliary outputs


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("resnet81", 32, "no torchvision model 'resnet81'. Did you mean resnet18"),
        ("vit_b_16", 28, "square images whose side divides by 16, not 28x28.\nUse images of 32x32"),
        ("maxvit_t", 32, "sides divide by 224, not 32x32"),
    ],
)
def test_torchvision_refuses(name: str, size: int, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        torchvision_model(name, size)


@pytest.fixture
def weights_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder in the place of torch.hub's."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)


def test_published_weights_are_adapted(weights_folder: Path) -> None:
    torch.manual_seed(0)
    published = models.squeezenet1_0()
    weights_folder.mkdir()
    url = models.SqueezeNet1_0_Weights.DEFAULT.url
    torch.save(published.state_dict(), weights_folder / url.rsplit("/", 1)[-1])
    kernel = published.features[0].weight  # (96, 3, 7, 7)

    grey = torchvision_model("squeezenet1_0", 32, in_channels=1, pretrained=True)
    torch.testing.assert_close(grey.backbone.features[0].weight, kernel[:, :, 2:5, 2:5].sum(1, keepdim=True))
    assert torch.equal(grey.backbone.features[0].bias, published.features[0].bias)
    five = torchvision_model("squeezenet1_0", 224, in_channels=5, pretrained=True)
    torch.testing.assert_close(five.backbone.features[0].weight[:, 4], kernel.sum(1) / 5)
    colour = torchvision_model("squeezenet1_0", 224, pretrained=True)
    images = torch.randn(1, 3, 224, 224)
    torch.testing.assert_close(colour.backbone(images), published.eval().features(images).mean(dim=(2, 3)))


def test_weights_that_cannot_be_fetched(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "urlopen", no_network)
    with pytest.raises(
        RequestError, match=r"no route to host.*\nFetch https://\S*resnet18-\w+.pth .*put it at"
    ) as caught:
        torchvision_model("resnet18", 32, pretrained=True)
    assert str(weights_folder / "resnet18-f37072fd.pth") in str(caught.value)
    with pytest.raises(RequestError, match="weights of vit_b_16 are for images of 224x224, not 32x32"):
        torchvision_model("vit_b_16", 32, pretrained=True)


def test_timm_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = {"in_channels": 3, "num_classes": 4}
    with pytest.raises(RequestError, match=r"no timm model 'resnet118'. Did you mean resnet18"):
        TimmClassifier(name="resnet118", image_size=(32, 32), **shape)
    with pytest.raises(RequestError, match=r"test_vit cannot take images of 28x28 pixels: .*divisible by patch size"):
        TimmClassifier(name="test_vit", image_size=(28, 28), **shape)
    with pytest.raises(RequestError, match="cannot build xcit_nano_12_p16_224 for images of 28x28"):
        TimmClassifier(name="xcit_nano_12_p16_224", image_size=(28, 28), **shape)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RequestError, match=r"'timm', which is not installed.\nType: pip install 'sensorium\[timm\]'"):
        TimmClassifier(name="resnet18", image_size=(32, 32), **shape)


def test_timm_weights_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise FileNotFoundError("not in the cache, and no network")

    monkeypatch.setattr("timm.create_model", no_network)
    with pytest.raises(RequestError, match=r"not in the cache, and no network.\n.*hf download timm/test_resnet"):
        TimmClassifier(name="test_resnet", in_channels=3, num_classes=4, image_size=(32, 32), pretrained=True)


def test_timm_transformer_is_told_the_size() -> None:
    model = TimmClassifier(name="test_vit", in_channels=1, num_classes=4, image_size=(32, 48)).eval()
    assert model(torch.zeros(2, 1, 32, 48)).shape == (2, 4)
