import math

import pytest
import torch
from torch import nn

from sensorium.errors import RequestError
from sensorium.optim import schedules

ROUND = {"total_steps": 100, "steps_per_epoch": 10}


def optimizer(*rates: float) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates or (1.0,)], lr=1.0)


def curve(scheduler: torch.optim.lr_scheduler.LRScheduler, steps: int = 100) -> list[float]:
    """The rate used in step 0, 1, ..., and the one that stands after the last."""
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return [*rates, scheduler.get_last_lr()[0]]


def test_constant_warms_up_in_equal_parts() -> None:
    rates = curve(schedules.constant(optimizer(), **ROUND, warmup_epochs=0.4))
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])  # 4 steps of warm-up
    assert rates[100] == 1.0
    assert curve(schedules.constant(optimizer(), **ROUND, warmup_epochs=0)) == [1.0] * 101


def test_step_drops_at_shares_of_the_training() -> None:
    rates = curve(schedules.step(optimizer(), **ROUND, warmup_epochs=0.1, milestones=[0.7, 0.9], gamma=0.1))
    assert rates[0] == 0.5
    assert rates[1:70] == [1.0] * 69
    assert rates[70:90] == pytest.approx([0.1] * 20)
    assert rates[90:] == pytest.approx([0.01] * 11)


def test_cosine() -> None:
    rates = curve(schedules.cosine(optimizer(), **ROUND, warmup_epochs=2, final=0.2), steps=110)
    assert rates[0] == pytest.approx(1 / 21)
    assert rates[20] == 1.0
    assert rates[40] == pytest.approx(0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2)  # a quarter of the way: cos 45 degrees
    assert rates[60] == pytest.approx(0.6)
    assert rates[100] == pytest.approx(0.2)
    assert rates[110] == pytest.approx(0.2)  # stays, does not rise again


def test_one_cycle_is_a_triangle() -> None:
    rates = curve(schedules.one_cycle(optimizer(), **ROUND, peak_at=0.25, start=0.2, final=0.1), steps=110)
    assert rates[0] == pytest.approx(0.2)
    assert rates[5] == pytest.approx(0.36)
    assert rates[25] == 1.0
    assert rates[50] == pytest.approx(0.7)  # a third of the way down from 1 to 0.1
    assert rates[100] == pytest.approx(0.1)
    assert rates[110] == pytest.approx(0.1)


def test_one_cycle_without_rise_and_in_one_step() -> None:
    assert curve(schedules.one_cycle(optimizer(), **ROUND, peak_at=0, start=0.2, final=0))[0] == 1.0
    tiny = schedules.one_cycle(optimizer(), total_steps=1, steps_per_epoch=1, peak_at=0.9, start=0.2, final=0)
    assert curve(tiny, steps=1) == [1.0, 0.0]


def test_every_group_keeps_its_own_peak() -> None:
    scheduler = schedules.cosine(optimizer(1.0, 0.1), **ROUND, warmup_epochs=0, final=0)
    curve(scheduler, steps=50)
    assert scheduler.get_last_lr() == pytest.approx([0.5, 0.05])


def test_plateau_drops_after_patience_is_over() -> None:
    scheduler = schedules.plateau(optimizer(1.0, 0.3), **ROUND, factor=0.1, patience=1, min_lr=0.05)
    seen = []
    for loss in (1.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        scheduler.step(loss)
        seen.append(scheduler.get_last_lr())
    # 0.6 is forgiven, 0.7 is one too many; so are 0.8 and 0.9. No rate falls below 0.05.
    assert seen[2] == [1.0, 0.3]
    assert seen[3] == pytest.approx([0.1, 0.05])
    assert seen[5] == pytest.approx([0.05, 0.05])


def test_requests_that_cannot_be() -> None:
    with pytest.raises(RequestError, match=r"warmup_epochs=10 is 100 steps, and the whole training has 100"):
        schedules.cosine(optimizer(), **ROUND, warmup_epochs=10, final=0)
    with pytest.raises(RequestError, match=r"scheduler\.milestones .* is 30; .* at most 1"):
        schedules.step(optimizer(), **ROUND, warmup_epochs=0, milestones=[30, 60], gamma=0.1)
    with pytest.raises(RequestError, match=r"scheduler\.final is 2; .* at most 1"):
        schedules.cosine(optimizer(), **ROUND, warmup_epochs=0, final=2)
    with pytest.raises(RequestError, match=r"scheduler\.peak_at is 1; .* below 1"):
        schedules.one_cycle(optimizer(), **ROUND, peak_at=1, start=0, final=0)
    with pytest.raises(RequestError, match=r"but got -1"):
        schedules.one_cycle(optimizer(), total_steps=-1, steps_per_epoch=1, peak_at=0.3, start=0, final=0)
    with pytest.raises(RequestError, match=r"scheduler\.factor is 1; .* below 1"):
        schedules.plateau(optimizer(), **ROUND, factor=1, patience=1, min_lr=0)
