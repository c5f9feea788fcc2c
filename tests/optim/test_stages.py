"""The stages of models, by name."""

import torch
from torch import Tensor, nn

from sensorium.models.vision.lenet import LeNet
from sensorium.models.vision.torchvision import TorchvisionClassifier
from sensorium.models.vision.vit import ViT
from sensorium.optim.stages import stages

PICTURES = {"in_channels": 1, "num_classes": 3, "image_size": (16, 16)}


def named(model: nn.Module) -> dict[str, list[str]]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {stage: [names[parameter] for parameter in parameters] for stage, parameters in stages(model).items()}


class Net(nn.Module):
    """A parameter of its own, a list, a block that holds a list, a norm, and a head that is defined first."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
        self.position = nn.Parameter(torch.zeros(1, 2))
        self.features = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
        self.body = nn.Module()
        self.body.layers = nn.ModuleList([nn.Linear(2, 2)])
        self.body.out = nn.Linear(2, 2, bias=False)
        self.norm = nn.LayerNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_the_rule() -> None:
    assert named(Net()) == {
        "features.0": ["position", "features.0.weight", "features.0.bias"],
        "features.2": ["features.2.0.weight", "features.2.0.bias", "features.2.1.weight", "features.2.1.bias"],
        "body.layers.0": ["body.layers.0.weight", "body.layers.0.bias"],
        "body.out": ["body.out.weight", "norm.weight", "norm.bias"],
        "head": ["head.0.weight", "head.2.weight"],
    }


def test_of_models_that_people_use() -> None:
    assert list(stages(LeNet(**PICTURES))) == ["features.0", "features.3", "features.7", "features.9", "head"]
    vit = named(ViT(**PICTURES, patch_size=4, width=12, depth=2, heads=3))
    assert list(vit) == ["patches", "blocks.0", "blocks.1", "head"]
    resnet = list(stages(TorchvisionClassifier(**PICTURES, name="resnet18")))
    assert resnet == ["backbone.conv1", *(f"backbone.layer{n}.{i}" for n in (1, 2, 3, 4) for i in (0, 1)), "head"]


def test_a_shared_parameter_belongs_to_the_first_stage_that_has_it() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(5, 2), "block": nn.Linear(2, 2), "head": nn.Linear(2, 5)})
    model["head"].weight = model["embedding"].weight
    assert named(model)["embedding"] == ["embedding.weight"]
    assert named(model)["head"] == ["head.bias"]


def test_models_of_little() -> None:
    assert stages(nn.Flatten()) == {}
    assert named(nn.Linear(2, 2)) == {"all": ["weight", "bias"]}
    assert list(named(nn.LayerNorm(2))) == ["all"]
