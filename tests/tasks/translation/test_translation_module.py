"""TranslationModule: the loss over what counts, smoothing in training alone, and reading one's own guesses."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import IGNORED, TranslationBatch
from sensorium.errors import RequestError
from sensorium.tasks.translation.module import TranslationModule


class Fixed(nn.Module):
    """The same logits everywhere, so its guess is always the same token."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.read: Tensor | None = None

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        self.read = target_in
        return self.logits.expand(*target_in.shape, -1)


def task_of(model: nn.Module, **changes: Any) -> TranslationModule:
    settings: dict[str, Any] = {"label_smoothing": 0.0, "scheduled_sampling": 0.0}
    task = TranslationModule(
        model=model,
        recipe=plain_recipe(),
        **settings | changes,
    )
    task._trainer = None
    return task


BATCH = TranslationBatch(
    source=torch.tensor([[1, 2], [1, 0]]),
    lengths=torch.tensor([2, 1]),
    target_in=torch.tensor([[2, 0, 1], [2, 1, 0]]),
    target_out=torch.tensor([[0, 1, 1], [1, IGNORED, IGNORED]]),
    indices=torch.tensor([0, 1]),
)
QUARTERS = [0.0, math.log(2.0), 0.0]  # probabilities 1/4, 1/2, 1/4


def test_the_loss_and_the_accuracy_are_means_over_tokens() -> None:
    loss, sums = task_of(Fixed(QUARTERS)).step(BATCH, 0, training=True)
    expected = (math.log(4) + 3 * math.log(2)) / 4
    assert loss.item() == pytest.approx(expected)
    assert sums.tolist() == pytest.approx([4 * expected, 3, 4])


def test_smoothing_is_for_training_alone() -> None:
    task = task_of(Fixed(QUARTERS), label_smoothing=0.3)
    plain, spread = (math.log(4) + 3 * math.log(2)) / 4, (2 * math.log(4) + math.log(2)) / 3
    assert task.step(BATCH, 0, training=False).loss.item() == pytest.approx(plain)
    assert task.step(BATCH, 0, training=True).loss.item() == pytest.approx(0.7 * plain + 0.3 * spread)


def test_at_the_end_of_training_guesses_take_the_place_of_the_reference() -> None:
    model = Fixed(QUARTERS)
    task = task_of(model, scheduled_sampling=1.0)
    task.length = (10, 10)
    for step, expected in ((0, BATCH.target_in), (10, torch.tensor([[2, 1, 1], [2, 1, 0]]))):
        task._trainer = SimpleNamespace(global_step=step)
        task.step(BATCH, 0, training=True)
        assert torch.equal(model.read, expected)
    task.step(BATCH, 0, training=False)
    assert torch.equal(model.read, BATCH.target_in)


def test_a_share_is_from_0_to_1() -> None:
    with pytest.raises(RequestError, match=r"scheduled_sampling=1.5 is not possible"):
        task_of(Fixed(QUARTERS), scheduled_sampling=1.5)
