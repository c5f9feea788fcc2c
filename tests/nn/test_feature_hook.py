"""What enters a part of a network is what an identity in its place would have been given."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.feature_hook import FeatureHook, as_vectors


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).relu())


def test_it_holds_what_entered_last_and_once() -> None:
    model = Network()
    hook = FeatureHook(model, "head")
    model(torch.zeros(1, 3))
    x = torch.randn(5, 3)
    model(x)
    assert torch.equal(hook.take(), model.body(x).relu())
    with pytest.raises(RuntimeError, match="Nothing has entered"):
        hook.take()
    hook.remove()
    model(x)
    with pytest.raises(RuntimeError):
        hook.take()


def test_a_part_that_is_not_there() -> None:
    with pytest.raises(RequestError, match="Network has no part named 'neck'"):
        FeatureHook(Network(), "neck")


def test_maps_and_sequences_become_vectors() -> None:
    assert as_vectors(torch.arange(8.0).view(1, 2, 2, 2)).tolist() == [[1.5, 5.5]]
    assert as_vectors(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])).tolist() == [[2.0, 4.0]]
    assert as_vectors(torch.ones(3, 2)).shape == (3, 2)


def test_a_hook_sees_the_calls_of_its_own_thread_alone() -> None:
    model, x = Network(), torch.randn(5, 3)
    hook = FeatureHook(model, "head")
    model(x)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(model, torch.zeros(1, 3)).result()
    assert torch.equal(hook.take(), model.body(x).relu())
