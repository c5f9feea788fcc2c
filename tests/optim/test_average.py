import io

import pytest
import torch
from torch import nn

from sensorium.errors import RequestError
from sensorium.optim.average import WeightAverage


def scalar(value: float) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def averaged(average: WeightAverage, name: str = "weight") -> float:
    return average.state_dict()["average"][name].item()


def test_closed_form_of_a_constant_target() -> None:
    model = scalar(0.0)
    average = WeightAverage(model, decay=0.9, warmup=False)
    nn.init.constant_(model.weight, 1.0)
    for _ in range(20):
        average.update(model)
    assert averaged(average) == pytest.approx(1 - 0.9**20, rel=1e-6)
    assert model.weight.item() == 1.0


def test_decay_warms_up() -> None:
    model = scalar(0.0)
    average = WeightAverage(model, decay=0.15, warmup=True)
    nn.init.constant_(model.weight, 1.0)
    average.update(model)
    assert averaged(average) == pytest.approx(0.9)  # decay 1/10
    average.update(model)
    assert averaged(average) == pytest.approx(1 - 0.1 * 0.15)  # 2/11 is over 0.15


def test_buffers_floats_are_averaged_and_integers_copied() -> None:
    model = nn.BatchNorm1d(1)
    average = WeightAverage(model, decay=0.75, warmup=False)
    model.running_mean.fill_(4.0)
    model.num_batches_tracked.fill_(7)
    average.update(model)
    assert averaged(average, "running_mean") == 1.0
    assert averaged(average, "num_batches_tracked") == 7


def test_swap_exchanges_in_place_and_back() -> None:
    model = scalar(0.0)
    average = WeightAverage(model, decay=0.5, warmup=False)
    nn.init.constant_(model.weight, 1.0)
    average.update(model)
    weight, address = model.weight, model.weight.data_ptr()
    average.swap(model)
    assert average.swapped
    assert model.weight.item() == 0.5
    for forbidden in (lambda: average.update(model), average.state_dict, lambda: average.load_state_dict({})):
        with pytest.raises(RuntimeError, match="while swapped"):
            forbidden()
    average.swap(model)
    assert not average.swapped
    assert model.weight is weight
    assert model.weight.data_ptr() == address
    assert model.weight.item() == 1.0
    assert averaged(average) == 0.5


def test_swap_works_in_inference_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = WeightAverage(model, decay=0.5, warmup=False)
    with torch.inference_mode():
        average.swap(model)
        model.eval()(torch.ones(3, 2))
        average.swap(model)
    model.train()(torch.ones(3, 2)).sum().backward()
    average.update(model)
    assert torch.equal(average.state_dict()["average"]["0.weight"], model[0].weight)
    assert model[0].bias.grad.tolist() == pytest.approx([0.0, 0.0], abs=1e-5)  # equal rows are normalized to nothing


def test_saved_and_loaded_it_goes_on_bit_for_bit() -> None:
    def weights(step: int) -> None:
        generator = torch.Generator().manual_seed(step)
        for parameter in model.parameters():
            nn.init.normal_(parameter, generator=generator)

    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    weights(0)
    whole, half = (WeightAverage(model, decay=0.99, warmup=True) for _ in range(2))
    for step in range(1, 6):
        weights(step)
        whole.update(model)
        half.update(model)
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    file.seek(0)
    resumed = WeightAverage(model, decay=0.99, warmup=True)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for step in range(6, 11):
        weights(step)
        whole.update(model)
        resumed.update(model)
    assert whole.state_dict()["updates"] == resumed.state_dict()["updates"] == 10
    for name, tensor in whole.state_dict()["average"].items():
        assert torch.equal(tensor, resumed.state_dict()["average"][name])


def test_what_cannot_be_averaged_is_refused() -> None:
    with pytest.raises(RequestError, match=r"cannot be averaged in bfloat16 \(weight\)"):
        WeightAverage(nn.Linear(1, 1).bfloat16(), decay=0.9, warmup=False)
    with pytest.raises(RequestError, match="decay is 1"):
        WeightAverage(nn.Linear(1, 1), decay=1, warmup=False)
    other = WeightAverage(nn.Linear(2, 1), decay=0.9, warmup=False).state_dict()
    with pytest.raises(RequestError, match="another model: weight is missing or differs in shape"):
        WeightAverage(nn.Linear(1, 1), decay=0.9, warmup=False).load_state_dict(other)
