"""The spiking network: what it counts, and what it makes of the image."""

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.models.vision.spiking_cnn import SpikingCNN, SpikingConv


def network(**changes: int) -> SpikingCNN:
    torch.manual_seed(0)
    return SpikingCNN(in_channels=1, num_classes=3, image_size=(8, 8), width=4, **changes).eval()


def pictures(count: int) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_count_is_that_of_all_spikes_of_each_picture() -> None:
    model, images = network(), pictures(5)
    fired: list[Tensor] = []
    for module in model.modules():
        if type(module).__name__ == "LeakyIntegrateAndFire":
            module.register_forward_hook(lambda module, inputs, spikes: fired.append(spikes))
    logits, counts = model.counted(images)
    assert [spikes.shape for spikes in fired] == [(4, 5, 4, 8, 8), (4, 5, 8, 4, 4), (4, 5, 16, 4, 4)]
    assert all(set(spikes.unique().tolist()) == {0, 1} for spikes in fired)
    expected = sum(spikes.sum((0, 2, 3, 4)) for spikes in fired)
    assert counts["spikes"].tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1
    assert torch.equal(model(images), logits)


def test_no_current_no_spike() -> None:
    model = network()
    logits, counts = model.counted(torch.zeros(2, 1, 8, 8))
    assert counts["spikes"].tolist() == [0, 0]
    torch.testing.assert_close(logits, model.head.bias.expand(2, 3))


def test_brightness_becomes_a_rate_of_spikes() -> None:
    """A constant current of 0.75 with a decay of 0.5: u = 0.75, 1.125 (spike), 0.8125, 1.15625 (spike)."""
    layer = SpikingConv(in_channels=1, out_channels=1, pool=True, decay=0.5, threshold=1.0, slope=5.0).eval()
    layer.norm = nn.Identity()
    nn.init.dirac_(layer.conv.weight)  # the image itself is the current
    images = torch.zeros(1, 1, 1, 2, 2)
    images[..., 0, 0] = 0.75
    spikes, count = layer(images, 4)
    assert spikes.flatten().tolist() == [0, 1, 0, 1]  # after the pool
    assert count.tolist() == [2]


def test_it_learns_through_the_surrogate() -> None:
    torch.manual_seed(0)
    model = network().train()
    images = pictures(30)
    labels = torch.arange(30) % 3
    images[torch.arange(30), 0, 2 * labels] += 3.0  # a bright row says which class
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert (model(images).argmax(1) == labels).float().mean() > 0.95


def test_no_steps_are_refused() -> None:
    with pytest.raises(RequestError, match="steps of at least 1, not 4 and 0"):
        network(steps=0)
