"""Language modelling: the loss of a model that can be worked out by hand, and the state from batch to batch."""

import copy
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recipes import plain_recipe
from sensorium.batches import IGNORED, LanguageBatch
from sensorium.errors import RequestError
from sensorium.tasks.language_modeling.module import LanguageModelingModule


class Counter(nn.Module):
    """The same logits for every token; its state counts the tokens it has read, for each row."""

    carries_state = True

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.started_from: list[list[float] | None] = []

    def forward(self, tokens: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        self.started_from.append(None if state is None else state[0].tolist())
        read = torch.zeros(len(tokens)) if state is None else state[0]
        logits = self.logits.expand(*tokens.shape, -1) + 0 * read[:, None, None]
        return logits, (read + tokens.shape[1] + 0 * self.logits.sum(),)


def task_of(model: nn.Module, **penalties: float) -> LanguageModelingModule:
    penalties = {"activation_penalty": 0.0, "slowness_penalty": 0.0} | penalties
    task = LanguageModelingModule(model=model, recipe=plain_recipe(), **penalties)
    task._trainer = None
    return task


def batch_of(targets: list[list[int]]) -> LanguageBatch:
    wanted = torch.tensor(targets)
    return LanguageBatch(torch.zeros_like(wanted), wanted, torch.arange(len(wanted)))


def test_the_loss_is_the_mean_over_what_counts() -> None:
    task = task_of(Counter([0.0, math.log(3.0)]))  # probabilities 1/4 and 3/4
    loss, sums = task.step(batch_of([[0, 1], [IGNORED, 1]]), 0, training=True)
    expected = (math.log(4) + 2 * math.log(4 / 3)) / 3
    assert loss.item() == pytest.approx(expected)
    assert sums.tolist() == pytest.approx([3 * expected, 3])


def test_the_state_goes_on_and_begins_anew_with_an_epoch() -> None:
    model = Counter([0.0, 0.0])
    task, batch = task_of(model), batch_of([[0, 0, 0], [0, 0, 0]])
    for number in (0, 1, 2, 0):
        task.step(batch, number, training=True)
    assert model.started_from == [None, [3, 3], [6, 6], None]
    assert not task._states[True][0].requires_grad  # type: ignore[index]


def test_validation_has_a_state_of_its_own_and_its_last_batches_are_smaller() -> None:
    model = Counter([0.0, 0.0])
    task = task_of(model)
    task.step(batch_of([[0], [0]]), 0, training=True)
    task.step(batch_of([[0, 0, 0], [0, 0, 0]]), 0, training=False)
    task.step(batch_of([[0]]), 1, training=False)
    task.step(batch_of([[0], [0]]), 1, training=True)
    assert model.started_from == [None, None, [3], [1, 1]]


def test_the_state_is_part_of_a_checkpoint() -> None:
    first, second = task_of(Counter([0.0, 0.0])), task_of(Counter([0.0, 0.0]))
    for task in (first, second):
        task._trainer = fake_trainer()
    first.step(batch_of([[0, 0], [0, 0]]), 0, training=True)
    saved: dict[str, Any] = {}
    first.on_save_checkpoint(saved)
    second.on_load_checkpoint(saved)
    second.step(batch_of([[0, 0], [0, 0]]), 1, training=True)
    assert second.model.started_from == [[2, 2]]


def test_a_model_that_carries_nothing_starts_from_nothing() -> None:
    model = Counter([0.0, 0.0])
    model.carries_state = False
    task = task_of(model)
    for number in (0, 1):
        task.step(batch_of([[0]]), number, training=True)
    assert model.started_from == [None, None]


class Outputs(Counter):
    """Passes these outputs (B, T, F), doubled, to a head that looks at nothing."""

    def __init__(self, outputs: list[list[list[float]]]) -> None:
        super().__init__([0.0, 0.0])
        self.outputs = nn.Parameter(torch.tensor(outputs))
        self.output_dropout = Doubled()

    def forward(self, tokens: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        logits, state = super().forward(tokens, state)
        return logits + 0 * self.output_dropout(self.outputs).sum(), state


class Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def test_penalties_are_means_of_squares_where_there_is_text() -> None:
    model = Outputs([[[1.0, 0.0], [3.0, 2.0], [9.0, 9.0]], [[2.0, 2.0], [9.0, 9.0], [9.0, 9.0]]])
    batch = batch_of([[0, 0, IGNORED], [0, IGNORED, IGNORED]])
    plain = math.log(2)  # two tokens, equally likely
    # After dropout (2, 0), (6, 4) and (4, 4): 2, 26 and 16. One change before it, (2, 2): 4.
    for penalties, expected in (((0.3, 0.0), 0.3 * 44 / 3), ((0.0, 0.7), 0.7 * 4), ((0.3, 0.7), 0.3 * 44 / 3 + 2.8)):
        task = task_of(copy.deepcopy(model), activation_penalty=penalties[0], slowness_penalty=penalties[1])
        loss, sums = task.step(batch, 0, training=True)
        assert loss.item() == pytest.approx(plain + expected)
        assert sums.tolist() == pytest.approx([3 * plain, 3])
        loss.backward()
        assert task.model.outputs.grad[0, 0].any()
        assert not task.model.outputs.grad[0, 2].any()
        task.eval()
        assert task.step(batch, 0, training=False).loss.item() == pytest.approx(plain)


def test_penalties_that_cannot_be_are_refused() -> None:
    with pytest.raises(RequestError, match=r"task\.slowness_penalty=-1 is not possible"):
        task_of(Outputs([[[0.0]]]), slowness_penalty=-1)
    with pytest.raises(RequestError, match=r"recurrent language models \(lstm_lm, gru_lm\), and this is Counter"):
        task_of(Counter([0.0]), activation_penalty=2.0)


def fake_trainer() -> Any:
    strategy = SimpleNamespace(all_gather=lambda tensor: tensor, global_rank=0)
    return SimpleNamespace(strategy=strategy, world_size=1, global_rank=0)
