"""Each method against an independent reference: captum's own occlusion, or the exact answer of a linear network."""

from dataclasses import replace

import pytest
import torch
from captum.attr import FeatureAblation
from torch import nn

from sensorium.attribution.layers import finest_maps, last_maps
from sensorium.attribution.methods import METHODS, Settings
from sensorium.attribution.networks import randomized, shared_copy
from sensorium.attribution.rollout import attention_of, attention_rollout, token_grid
from sensorium.attribution.subject import Subject, grid_segments, grid_windows
from sensorium.models.vision.cifar_resnet import resnet8
from sensorium.models.vision.small_cnn import SmallCNN
from sensorium.models.vision.unet import UNet
from sensorium.models.vision.vit import ViT


def image_subject(network: nn.Module, channels: int = 1, side: int = 28, **changes) -> Subject:
    features = torch.rand(channels, side, side, generator=torch.Generator().manual_seed(0))
    given = {
        "network": network.eval(),
        "features": features,
        "baseline": torch.full_like(features, 0.3),
        "segments": grid_segments(side, side, 7),
        "score": lambda net, rows: net(rows)[:, [2, 0]],
    }
    return Subject(**(given | changes))


@pytest.fixture(scope="module")
def cnn() -> nn.Module:
    torch.manual_seed(0)
    return SmallCNN(in_channels=1, num_classes=3, image_size=(28, 28), width=4).eval()


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    torch.manual_seed(0)
    return ViT(in_channels=1, num_classes=3, image_size=(28, 28), width=16, depth=2, heads=2).eval()


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3, 784, generator=torch.Generator().manual_seed(1)))

    def forward(self, images):
        return images.flatten(1) @ self.weights.T


def test_occlusion_of_single_segments_is_captums(cnn):
    subject = image_subject(cnn)
    found = METHODS["occlusion"].attribute(subject, Settings())
    assert found.shape == (2, 28, 28)
    captum = FeatureAblation(subject.scores)
    for target, ours in enumerate(found):
        theirs = captum.attribute(
            subject.features[None],
            baselines=subject.baseline[None],
            target=target,
            feature_mask=subject.segments[None, None],
        )
        assert torch.allclose(ours, theirs[0, 0], atol=1e-5)


def test_occlusion_of_windows_is_the_mean_over_those_that_hide_a_segment():
    network = Linear()
    subject = image_subject(network, windows=grid_windows(7, 7))
    alone = METHODS["occlusion"].attribute(image_subject(network), Settings())[0]
    found = METHODS["occlusion"].attribute(subject, Settings())[0]
    drops = subject.per_segment(alone[None])[0].view(7, 7)
    corner = [drops[:2, :2].sum(), drops[:2, :3].sum(), drops[:3, :2].sum(), drops[:3, :3].sum()]
    assert float(found[0, 0]) == pytest.approx(float(sum(corner) / 4), rel=1e-4)


def test_a_step_function_has_no_gradients_to_explain_it_by():
    subject = image_subject(Linear(), score=lambda net, rows: (net(rows)[:, [2, 0]] > 0).float())
    assert [name for name, method in METHODS.items() if method.fits(subject)] == ["occlusion"]


@pytest.mark.parametrize("name", ["integrated_gradients", "gradient_shap"])
def test_gradients_of_a_linear_network_are_exact(name):
    network = Linear()
    subject = image_subject(network, batch_size=7)
    found = METHODS[name].attribute(subject, Settings(steps=20))
    wanted = (subject.features - subject.baseline)[0] * network.weights[2].view(28, 28)
    error = (found[0] - wanted).abs().max()
    assert error < 1e-5 if name == "integrated_gradients" else error < 0.5  # with noise of 5%
    assert torch.corrcoef(torch.stack([found[0].flatten(), wanted.detach().flatten()]))[0, 1] > 0.98


def test_gradient_shap_has_its_seed_and_leaves_the_generators_alone(cnn):
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    first = METHODS["gradient_shap"].attribute(image_subject(cnn), Settings(steps=8, seed=1))
    assert torch.equal(torch.rand(1), wanted)
    again = METHODS["gradient_shap"].attribute(image_subject(cnn), Settings(steps=8, seed=1))
    other = METHODS["gradient_shap"].attribute(image_subject(cnn), Settings(steps=8, seed=2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_memory_is_bounded_by_the_batch_size_and_does_not_change_the_map(cnn):
    seen = []

    def score(network, rows):
        seen.append(len(rows))
        return network(rows)[:, [2, 0]]

    for name in ("occlusion", "integrated_gradients", "gradient_shap"):
        small = METHODS[name].attribute(image_subject(cnn, score=score, batch_size=5), Settings(steps=20))
        assert max(seen) <= 5, name
        if name != "gradient_shap":  # which draws a batch at a time
            large = METHODS[name].attribute(image_subject(cnn, batch_size=64), Settings(steps=20))
            assert torch.allclose(small, large, atol=1e-5)


def test_gradcam_by_hand():
    """A convolution of one weight, summed: the map is the input times weight squared, where that is above 0."""
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        network[0].weight.fill_(2.0)
        network[3].weight.copy_(torch.tensor([[3.0], [-3.0]]))
    subject = image_subject(network, score=lambda net, rows: net(rows))
    assert last_maps(subject) is network[0]
    found = METHODS["gradcam"].attribute(subject, Settings())
    assert torch.allclose(found[0], subject.features[0] * 2 * 3 / 784, atol=1e-6)
    assert not found[1].any()


def test_the_layer_of_gradcam_is_found_by_what_it_gives(cnn, vit):
    assert last_maps(image_subject(cnn)) is cnn.features
    resnet = resnet8(in_channels=1, num_classes=3).eval()
    assert last_maps(image_subject(resnet)) is resnet.features  # the whole of it, behind the shortcut of its last block
    assert last_maps(image_subject(vit)) is None
    assert last_maps(image_subject(Linear())) is None


def test_what_fits_a_network(cnn, vit):
    def fitting(network):
        return [name for name, method in METHODS.items() if method.fits(image_subject(network))]

    gradients = ["occlusion", "integrated_gradients", "gradient_shap"]
    assert fitting(cnn) == ["gradcam", *gradients]
    assert fitting(vit) == [*gradients, "rollout"]


def test_rollout_by_hand():
    """Of two layers: half of each is the shortcut."""
    first, second = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    found = attention_rollout([first, second])
    assert torch.allclose(found, torch.tensor([[0.5, 0.5], [0.5, 0.5]]))
    assert torch.allclose(attention_rollout([second]), torch.tensor([[1.0, 0.0], [0.25, 0.75]]))


def test_attention_is_seen_whatever_computes_it(vit):
    """Sensorium's blocks and PyTorch's layer, which fuses the whole of it; both to weights that sum to 1."""
    found = attention_of(image_subject(vit))
    assert [tuple(one.shape) for one in found] == [(50, 50)] * 2
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    subject = Subject(
        network=layer,
        features=torch.rand(5, 8),
        baseline=torch.zeros(5, 8),
        segments=torch.arange(5)[:, None],
        score=lambda net, rows: net(rows).sum(dim=(1, 2))[:, None],
    )
    (weights,) = attention_of(subject)
    _, wanted = layer.self_attn(subject.features[None], subject.features[None], subject.features[None])
    assert torch.allclose(weights, wanted[0], atol=1e-6)
    assert torch.allclose(torch.stack(found).sum(dim=2), torch.ones(2, 50), atol=1e-5)
    assert METHODS["rollout"].attribute(subject, Settings()).shape == (1, 5, 1)


def test_how_tokens_lie_over_an_image():
    assert token_grid(50, (28, 28)) == ((7, 7), 1)
    assert token_grid(49, (28, 28)) == ((7, 7), 0)
    assert token_grid(201, (224, 224)) == ((14, 14), 5)
    assert token_grid(5, (5, 1)) == ((5, 1), 0)
    assert token_grid(3, (28, 28)) is None


def test_a_shared_copy_has_the_weights_and_not_the_hooks(cnn):
    copied = shared_copy(cnn)
    copied.register_forward_hook(lambda *_: pytest.fail("the hook of a copy"))
    assert all(a is b for a, b in zip(cnn.parameters(), copied.parameters(), strict=True))
    cnn(torch.zeros(1, 1, 28, 28))


def test_random_weights_are_the_same_numbers_elsewhere(cnn):
    other = randomized(cnn, seed=0)
    for mine, theirs in zip(cnn.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine.flatten().sort().values, theirs.flatten().sort().values)
    assert not torch.equal(cnn.features[0].conv.weight, other.features[0].conv.weight)
    assert torch.equal(other.head.weight, randomized(cnn, seed=0).head.weight)


class DeepAndFine(nn.Module):
    """Logits (B, 2, H, W) from the brightness of each pixel, beside deep maps of more channels."""

    def __init__(self) -> None:
        super().__init__()
        self.deep, self.fine, self.head = nn.Conv2d(1, 3, 2, stride=2), nn.Conv2d(1, 1, 1), nn.Conv2d(1, 2, 1)
        nn.init.ones_(self.fine.weight)
        self.head.weight.data = torch.tensor([-1.0, 2.0]).view(2, 1, 1, 1)
        for layer in (self.fine, self.head):
            nn.init.zeros_(layer.bias)

    def forward(self, images):
        nothing = 0 * self.deep(images).sum()
        return self.head(self.fine(images)) + nothing


def test_gradcam_of_pixels_weighs_the_finest_maps_behind_the_deepest():
    network = DeepAndFine()
    subject = image_subject(network, dense=True, score=lambda net, rows: net(rows)[:, :, 4:9, 4:9].mean(dim=(2, 3)))
    assert finest_maps(subject) is network.fine
    assert METHODS["gradcam"].fits(subject)
    dark, bright = METHODS["gradcam"].attribute(subject, Settings())
    assert dark.abs().max() == 0  # brightness is evidence against it, which is dropped
    assert torch.allclose(bright / bright.max(), subject.features[0] / subject.features.max(), atol=1e-6)


def test_gradcam_does_not_fit_where_nothing_depends_on_the_maps():
    subject = image_subject(DeepAndFine(), dense=True, score=lambda net, rows: net(rows)[:, :, 0, 0] * 0 + rows.sum())
    assert METHODS["gradcam"].fits(subject)
    found_nothing = replace(subject, score=lambda net, rows: (net(rows), rows.sum(dim=(1, 2, 3))[:, None])[1])
    assert not METHODS["gradcam"].fits(found_nothing)


def test_the_finest_maps_of_our_networks_for_boxes_and_pixels():
    unet = UNet(in_channels=1, num_classes=2, width=4, depth=2).eval()
    subject = image_subject(unet, dense=True, side=32, score=lambda net, rows: net(rows).mean(dim=(2, 3)))
    assert finest_maps(subject) is unet.up[-1].enlarge
    twice = UNet(in_channels=1, num_classes=2, width=4, depth=2, flip_tta=True).eval()
    assert finest_maps(replace(subject, network=twice)) is None  # two passes: whose maps?
