"""The deep belief network for images: what it learns before any label, and what each part does."""

import pytest
import torch
from torch import Tensor

from sensorium.errors import RequestError
from sensorium.models.vision.dbn import DeepBeliefNet

SMALL = {"in_channels": 1, "num_classes": 2, "image_size": (4, 4)}


def bars(count: int) -> tuple[Tensor, Tensor]:
    """Images of 4x4 pixels with one lit row (class 0) or one lit column (class 1), under noise."""
    classes, places = torch.randint(0, 2, (count,)), torch.randint(0, 4, (count,))
    images = torch.zeros(count, 1, 4, 4)
    images[torch.arange(count), 0, places] = 1.0
    images = torch.where(classes[:, None, None, None] == 1, images.transpose(2, 3), images)
    return images + 0.1 * torch.randn(count, 1, 4, 4), classes


def test_logits_are_those_of_layers_of_sigmoids() -> None:
    torch.manual_seed(0)
    model = DeepBeliefNet(**SMALL, hidden_sizes=[5, 3], pretrain_epochs=2).eval()
    images = bars(50)[0]
    model.initialize(images)
    x = images.flatten(1)
    x = (x - x.mean(0)) / x.std(0, correction=0)
    for layer in model.stack.layers:
        x = torch.sigmoid(x @ layer.weight.T + layer.hidden_bias)
    torch.testing.assert_close(model(images), x @ model.head.weight.T + model.head.bias, atol=1e-5, rtol=1e-4)


def test_features_found_without_labels_separate_what_pixels_cannot() -> None:
    """No weighting of pixels tells a row from a column: the two classes have the same mean in every pixel."""
    torch.manual_seed(0)
    model = DeepBeliefNet(**SMALL, hidden_sizes=[32], pretrain_epochs=60, pretrain_lr=0.1, dropout=0.0)
    images, classes = bars(1000)
    model.initialize(images)
    with torch.no_grad():
        features = torch.cat([model.stack(images.flatten(1)), torch.ones(1000, 1)], dim=1)
    pixels = torch.cat([images.flatten(1), torch.ones(1000, 1)], dim=1)
    right = {}
    for name, x in (("features", features), ("pixels", pixels)):
        weights = torch.linalg.lstsq(x[:800], classes[:800].float() * 2 - 1).solution
        right[name] = float(((x[800:] @ weights > 0) == (classes[800:] == 1)).float().mean())
    assert right["features"] > 0.95
    assert right["pixels"] < 0.65


def test_initialize_is_reproducible_and_leaves_the_head_alone() -> None:
    def initialised() -> dict[str, Tensor]:
        torch.manual_seed(0)
        model = DeepBeliefNet(**SMALL, hidden_sizes=[5, 3], pretrain_epochs=2)
        before = model.head.weight.clone()
        model.initialize(bars(150)[0])
        assert torch.equal(model.head.weight, before)
        return model.state_dict()

    one, other = initialised(), initialised()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_every_weight_learns_from_labels() -> None:
    torch.manual_seed(0)
    model = DeepBeliefNet(**SMALL, hidden_sizes=[5, 3])
    model(bars(8)[0]).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_a_net_without_hidden_layers_is_refused() -> None:
    with pytest.raises(RequestError, match=r"hidden_sizes of a deep belief net .* not \[\]"):
        DeepBeliefNet(**SMALL, hidden_sizes=[])
