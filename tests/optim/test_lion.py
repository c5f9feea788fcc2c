import pytest
import torch
from torch import nn

from sensorium.errors import RequestError
from sensorium.optim.lion import Lion


def test_three_steps_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = Lion([weight], lr=0.1, weight_decay=0.5, betas=(0.5, 0.75))

    # Momentum 0: the update is the sign of the gradient, (1, -1). Decay factor 1 - 0.1 * 0.5 = 0.95.
    weight.grad = torch.tensor([4.0, -8.0])
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.95 - 0.1, -1.9 + 0.1])
    assert optimizer.state[weight]["momentum"].tolist() == [1.0, -2.0]  # a quarter of the gradient

    # 0.5 * (1, -2) + 0.5 * (-3, 0) = (-1, -1): both signs negative.
    weight.grad = torch.tensor([-3.0, 0.0])
    optimizer.step()
    assert weight.tolist() == pytest.approx([0.85 * 0.95 + 0.1, -1.8 * 0.95 + 0.1])
    assert optimizer.state[weight]["momentum"].tolist() == [0.0, -1.5]  # 0.75 * (1, -2) + 0.25 * (-3, 0)

    # 0.5 * (0, -1.5) + 0.5 * (0, 1.5) = 0: sign 0, only the decay acts.
    weight.grad = torch.tensor([0.0, 1.5])
    optimizer.step()
    assert weight.tolist() == pytest.approx([(0.85 * 0.95 + 0.1) * 0.95, (-1.8 * 0.95 + 0.1) * 0.95])


def test_converges_on_a_quadratic_to_within_one_step() -> None:
    target = torch.tensor([0.3, -0.7, 0.1])
    weight = nn.Parameter(torch.zeros(3))
    optimizer = Lion([weight], lr=0.01, weight_decay=0.0, betas=(0.9, 0.99))
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 400)
        optimizer.zero_grad()
        ((weight - target) ** 2).sum().backward()
        optimizer.step()
    assert (weight - target).abs().max() < 0.01


def test_parameters_without_gradient_stay_and_closure_is_called() -> None:
    moved, still = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = Lion([moved, still], lr=0.25, weight_decay=0.0, betas=(0.9, 0.99))

    def closure() -> float:
        loss = moved.sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 2.0
    assert moved.tolist() == [0.75, 0.75]
    assert still.tolist() == [1.0, 1.0]


def test_wrong_betas_are_refused() -> None:
    with pytest.raises(RequestError, match=r"optimizer\.betas is 1\.0; .* below 1"):
        Lion([nn.Parameter(torch.ones(1))], lr=0.1, weight_decay=0.0, betas=(0.9, 1.0))
