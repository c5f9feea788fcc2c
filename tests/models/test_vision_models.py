"""The contract every image classifier keeps, over every yaml in configs/model."""

import inspect
from typing import NamedTuple

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from model_contract import (
    MODELS,
    assert_every_yaml_has_a_row,
    assert_shards_answer_alike,
    assert_weights_are_all,
    yamls_naming,
)
from sensorium.nn.flops import count_parameters


class Case(NamedTuple):
    in_channels: int
    image_size: tuple[int, int]
    parameters: int | None  # for ten classes
    name: str | None = None  # model.name, where the yaml's own is large


CASES = {
    # 28 * 28 * 10 + 10
    "perceptron": Case(1, (28, 28), 7850),
    # 785 * 256 + 257 * 256 + 257 * 10
    "mlp": Case(1, (28, 28), 269_322),
    # 26 * 6 + 151 * 16 + 401 * 120 + 121 * 84 + 85 * 10
    "lenet": Case(1, (28, 28), 61_706),
    # 9 * (20 + 20*40 + 40*40 + 40*80 + 80*80) + 2 * (20 + 40 + 40 + 80 + 80) + 81 * 10
    "small_cnn": Case(1, (28, 28), 109_510),
    # 9 * (3*64 + 64*128 + 128*256 + 256*256 + 256*512 + 3 * 512*512) + 2 * 2752 + 513 * 10
    "vgg11": Case(3, (32, 32), 9_228_362),
    # stem 432 + 32; stages 4672, 13952, 55552; head 650
    "resnet8": Case(3, (32, 32), 75_290),
    # option A shortcuts, without parameters (1x1 convolutions with normalisation would make it 272,474)
    "resnet20": Case(3, (32, 32), 269_722),
    # stem 432; 9 * (16*64 + 3 * 64*64 + 64*128 + 3 * 128*128 + 128*256 + 3 * 256*256); shortcuts 1024 + 8192 + 32768;
    # normalisations 2 * (16 + 3*64 + 64 + 3*128 + 128 + 3*256 + 256); head 2570
    "wide_resnet": Case(3, (32, 32), 2_748_890),
    # torchvision's 11,689,512 for 1000 classes, less 990 * 513 in the head and 64 * 3 * (49 - 9) in the stem
    "resnet18": Case(3, (32, 32), 11_173_962),
    # 2,542,856 less 990 * 1025
    "mobilenet_v3": Case(3, (32, 32), 1_528_106),
    # 5,288,548 less 990 * 1281
    "efficientnet_b0": Case(3, (32, 32), 4_020_358),
    # 28,589,128 less 990 * 769 and 96 * 3 * (16 - 9)
    "convnext_tiny": Case(3, (16, 16), 27_825_802),
    # 1,366,792 less 990 * 1025
    "torchvision": Case(3, (32, 32), 352_042, name="shufflenet_v2_x0_5"),
    "timm": Case(3, (32, 32), None, name="test_resnet"),
    # patches 17 * 192, class token 192, positions 50 * 192, 6 blocks of 444,864, last norm 384, head 193 * 10
    "vit_tiny": Case(1, (28, 28), 2_684_554),
    # 9 * (24*64 + 64*64 + 64*256 + 256*256 + 2 * 256*256); normalisations 4 * (64 + 256 + 256); bias 24; head 2560
    "airbench_cnn": Case(3, (32, 32), 1_972_504),
    # 785 * 500 + 501 * 500 + 501 * 10
    "dbn": Case(1, (28, 28), 648_010),
    # 9 * (16 + 16*32 + 32*64); normalisations 2 * (16 + 32 + 64); head 65 * 10
    "spiking_cnn": Case(1, (28, 28), 24_058),
}

WITHOUT_WEIGHTS = {"threshold_unit"}  # two inputs, two classes, nothing to learn: test_threshold_unit.py


def test_every_yaml_has_a_case() -> None:
    rows = {*CASES, *WITHOUT_WEIGHTS}
    assert_every_yaml_has_a_row(yamls_naming(None), rows, table="CASES in tests/models/test_vision_models.py")


def build(name: str, num_classes: int = 10, **overrides: object) -> nn.Module:
    """As the builder does: the yaml, and from the data's spec what the signature asks for."""
    case = CASES[name]
    config = OmegaConf.load(MODELS / f"{name}.yaml")
    if case.name:
        config.name = case.name
    arguments = {"in_channels": case.in_channels, "num_classes": num_classes, **overrides}
    if "image_size" in inspect.signature(get_object(config._target_)).parameters:
        arguments.setdefault("image_size", case.image_size)
    torch.manual_seed(0)
    return instantiate(config, **arguments)


def pictures(name: str, count: int) -> Tensor:
    case = CASES[name]
    return torch.randn(count, case.in_channels, *case.image_size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", sorted(CASES))
def test_contract(name: str) -> None:
    model, images = build(name), pictures(name, 4)
    assert model.training
    if CASES[name].parameters is not None:
        assert count_parameters(model) == CASES[name].parameters

    _wake(model)
    model(images).square().sum().backward()
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, key
            assert parameter.grad.isfinite().all(), key
            assert parameter.grad.any(), key

    model.eval()
    with torch.no_grad():
        logits = model(images)
        assert logits.shape == (4, 10)
        assert logits.isfinite().all()
        torch.testing.assert_close(model(images[2:3]), logits[2:3], atol=1e-5, rtol=1e-4)

    assert_weights_are_all(model, build(name), images)
    assert_shards_answer_alike(model, images)


def _wake(model: nn.Module) -> None:
    """Parameters that start at zero hide the gradients behind them: give them values."""
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)


@pytest.mark.parametrize("name", sorted(CASES))
def test_only_the_head_depends_on_the_classes(name: str) -> None:
    ten, three = ({key: value.shape for key, value in build(name, k).state_dict().items()} for k in (10, 3))
    different = {key for key in ten if ten[key] != three[key]}
    assert ten.keys() == three.keys()
    assert {key.partition(".")[0] for key in different} == {"head"}


@pytest.mark.parametrize("name", sorted(CASES))
def test_unknown_keyword_is_refused(name: str) -> None:
    with pytest.raises(InstantiationException, match="unexpected keyword argument 'widht'") as caught:
        build(name, widht=1)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_default_has_one_value(name: str) -> None:
    """What a yaml shows is what the constructor does without it, but for what the yaml is there to change."""
    config = OmegaConf.to_container(OmegaConf.load(MODELS / f"{name}.yaml"))
    signature = inspect.signature(get_object(config.pop("_target_")))
    differing = {"vit_tiny": {"depth"}}.get(name, set())
    for key, value in config.items():
        default = signature.parameters[key].default
        if default is not inspect.Parameter.empty and key not in differing:
            assert value == (list(default) if isinstance(default, tuple) else default)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in signature.parameters.values())
