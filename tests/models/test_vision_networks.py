"""What is particular to each of Sensorium's own classifiers."""

import pytest
import torch
from torch import nn

from sensorium.errors import RequestError
from sensorium.models.vision.airbench_cnn import AirbenchCNN
from sensorium.models.vision.cifar_resnet import BasicBlock, CifarResNet
from sensorium.models.vision.lenet import LeNet
from sensorium.models.vision.mlp import MLP
from sensorium.models.vision.small_cnn import SmallCNN
from sensorium.models.vision.vgg import VGG11
from sensorium.models.vision.vit import ViT, choose_patch_size
from sensorium.models.vision.wide_resnet import WideResNet
from sensorium.nn.flops import count_flops


@pytest.mark.parametrize("size", [8, 16, 28, 32, 65])
@pytest.mark.parametrize("network", [LeNet, SmallCNN, VGG11, ViT, MLP])
def test_own_networks_take_pictures_of_many_sizes(network: type[nn.Module], size: int) -> None:
    options = {"depth": 1, "width": 12} if network is ViT else {}
    model = network(in_channels=1, num_classes=3, image_size=(size, size), **options).eval()
    assert model(torch.zeros(1, 1, size, size)).shape == (1, 3)


def test_sides_may_differ() -> None:
    for network in (LeNet, SmallCNN, VGG11, AirbenchCNN):
        model = network(in_channels=2, num_classes=3, image_size=(12, 40)).eval()
        assert model(torch.zeros(1, 2, 12, 40)).shape == (1, 3)


def test_lenet_has_the_shapes_of_the_paper() -> None:
    for size in (28, 32):
        model = LeNet(in_channels=1, num_classes=10, image_size=(size, size))
        shapes, x = [], torch.zeros(1, 1, size, size)
        for layer in model.features:
            x = layer(x)
            shapes.append(tuple(x.shape[1:]))
        assert shapes[0] == (6, 28, 28)
        assert shapes[2] == (6, 14, 14)
        assert shapes[3] == (16, 10, 10)
        assert shapes[5:8] == [(16, 5, 5), (400,), (120,)]
    with pytest.raises(RequestError, match="at least 5x5 pixels, not 4x9"):
        LeNet(in_channels=1, num_classes=10, image_size=(4, 9))


def test_small_cnn_costs_what_the_header_says() -> None:
    # multiply-adds: 28*28 * 9*20, 14*14 * 9*(20*40 + 40*40), 7*7 * 9*(40*80 + 80*80), 80*10; two operations each
    model = SmallCNN(in_channels=1, num_classes=10, image_size=(28, 28))
    assert count_flops(model, torch.zeros(1, 1, 28, 28)) == 2 * (141_120 + 4_233_600 + 4_233_600 + 800)


@pytest.mark.parametrize(("size", "last"), [(8, 4), (15, 7), (16, 4), (28, 7), (64, 16), (224, 14)])
def test_small_cnn_pools_as_far_as_the_picture_allows(size: int, last: int) -> None:
    model = SmallCNN(in_channels=1, num_classes=2, image_size=(size, size), width=2)
    assert model.features(torch.zeros(2, 1, size, size)).shape == (2, 8, last, last)


def test_residual_blocks_start_as_the_identity() -> None:
    block = BasicBlock(in_channels=16, out_channels=32, stride=2)
    nn.init.zeros_(block.conv2.norm.weight)
    x = torch.rand(1, 16, 5, 5)
    y = block(x)
    assert y.shape == (1, 32, 3, 3)
    assert torch.equal(y[:, :16], x[:, :, ::2, ::2])
    assert not y[:, 16:].any()
    model = CifarResNet(in_channels=3, num_classes=10, depth=20)
    assert sum(not parameter.any() for key, parameter in model.named_parameters() if key.endswith("weight")) == 9


def test_depths_that_do_not_exist_are_refused() -> None:
    with pytest.raises(RequestError, match=r"6n\+2.*not 18; nearest: 20"):
        CifarResNet(in_channels=3, num_classes=10, depth=18)
    with pytest.raises(RequestError, match=r"6n\+4.*not 27; nearest: 28"):
        WideResNet(in_channels=3, num_classes=10, depth=27)


@pytest.mark.parametrize(
    ("size", "patch"),
    [((28, 28), 4), ((32, 32), 4), ((8, 8), 1), ((64, 64), 8), ((96, 96), 12), ((224, 224), 16), ((32, 64), 4)],
)
def test_vit_chooses_a_patch(size: tuple[int, int], patch: int) -> None:
    assert choose_patch_size(size) == patch


def test_vit_refuses_sizes_it_cannot_cut() -> None:
    with pytest.raises(RequestError, match=r"28x28 pixels cannot be cut into patches of 5x5.*\n.*such as 4"):
        ViT(in_channels=1, num_classes=2, image_size=(28, 28), patch_size=5)
    with pytest.raises(RequestError, match=r"into 50625 tokens; at most 1024.*\n.*such as 224x224"):
        ViT(in_channels=1, num_classes=2, image_size=(225, 225), patch_size=1)
    with pytest.raises(RequestError, match="width 64 does not divide by heads 3; try width=63"):
        ViT(in_channels=1, num_classes=2, image_size=(28, 28), width=64)


def test_vit_attention_equals_pytorch() -> None:
    """Against nn.MultiheadAttention with the same weights."""
    torch.manual_seed(0)
    attention = ViT(in_channels=1, num_classes=2, image_size=(8, 8), width=12, depth=1).blocks[0].attention
    reference = nn.MultiheadAttention(12, 3, batch_first=True)
    reference.in_proj_weight.data = attention.query_key_value.weight.data
    reference.in_proj_bias.data = attention.query_key_value.bias.data
    reference.out_proj.load_state_dict(attention.projection.state_dict())
    tokens = torch.randn(2, 5, 12)
    torch.testing.assert_close(attention(tokens), reference(tokens, tokens, tokens)[0])


def test_vit_sees_where_a_patch_is() -> None:
    model = ViT(in_channels=1, num_classes=2, image_size=(8, 8), width=12, depth=1).eval()
    image = torch.rand(1, 1, 8, 8)
    assert not torch.allclose(model(image), model(image.flip(3)))
    nn.init.zeros_(model.positions)
    torch.testing.assert_close(model(image), model(image.flip(3)))


def test_whitening_makes_patches_uncorrelated() -> None:
    torch.manual_seed(0)
    images = nn.functional.avg_pool2d(torch.randn(64, 3, 14, 14), 3, 1)  # neighbours are alike
    model = AirbenchCNN(in_channels=3, num_classes=10, image_size=(12, 12), widths=(24, 24, 24))
    before = model.whitening(images).transpose(0, 1).flatten(1)[:12].cov()
    model.initialize(images)
    outputs = model.whitening(images).transpose(0, 1).flatten(1)  # (24, examples)
    assert (before - torch.eye(12)).abs().max() > 0.5
    assert (outputs[:12].cov() - torch.eye(12)).abs().max() < 0.1
    torch.testing.assert_close(outputs[12:], -outputs[:12])
    assert "whitening.filters" not in dict(model.named_parameters())
    assert "whitening.filters" in model.state_dict()


def test_whitening_of_a_constant_picture_is_finite() -> None:
    model = AirbenchCNN(in_channels=1, num_classes=2, image_size=(28, 28), widths=(8, 8, 8))
    model.initialize(torch.ones(3, 1, 28, 28))
    assert model(torch.ones(2, 1, 28, 28)).isfinite().all()


def test_airbench_starts_as_the_paper_says() -> None:
    model = AirbenchCNN(in_channels=3, num_classes=10, image_size=(32, 32), widths=(64, 128, 32))
    group = model.groups[0]
    images = torch.randn(2, 24, 8, 8)
    torch.testing.assert_close(group.conv1(images)[:, :24], images)  # the identity on the first channels
    assert not group.norm1.weight.requires_grad
    assert group.norm1.bias.requires_grad
    model.whitening, model.groups = nn.Identity(), nn.Identity()
    features = torch.randn(2, 32, 1, 1)
    expected = nn.functional.gelu(features).flatten(1) @ model.head.weight.T / 9
    torch.testing.assert_close(model(features), expected)


def test_airbench_refuses_pictures_too_small() -> None:
    with pytest.raises(RequestError, match=r"at least 9x9 pixels, not 8x8.\n.*model=small_cnn"):
        AirbenchCNN(in_channels=1, num_classes=10, image_size=(8, 8))
    assert AirbenchCNN(in_channels=1, num_classes=2, image_size=(9, 9))(torch.zeros(2, 1, 9, 9)).shape == (2, 2)
    with pytest.raises(RequestError, match="three numbers"):
        AirbenchCNN(in_channels=1, num_classes=10, image_size=(28, 28), widths=(64, 64))


def test_airbench_judges_a_picture_and_its_mirror_image_alike_when_asked() -> None:
    model = AirbenchCNN(in_channels=3, num_classes=4, image_size=(16, 16), widths=(8, 8, 8), flip_tta=True)
    images = torch.randn(3, 3, 16, 16)
    training = model.train()(images)
    assert not torch.allclose(training, model(images.flip(3)))  # one view only
    plain = AirbenchCNN(in_channels=3, num_classes=4, image_size=(16, 16), widths=(8, 8, 8)).eval()
    plain.load_state_dict(model.state_dict())
    judged = model.eval()(images)
    torch.testing.assert_close(judged, (plain(images) + plain(images.flip(3))) / 2)
    torch.testing.assert_close(judged, model(images.flip(3)))
