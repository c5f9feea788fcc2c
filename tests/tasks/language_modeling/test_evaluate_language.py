"""Nats of running text: every token once, whatever the batches, and a state that goes all the way."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sensorium.data.loader import BatchLoader
from sensorium.data.order import BatchPlan
from sensorium.data.text.splits import LanguageSplit
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluator, evaluate

CPU = torch.device("cpu")


class Unigram(nn.Module):
    """Token 0 with probability 1/4, token 1 with 3/4, whatever came before."""

    carries_state = False

    def forward(self, tokens: Tensor, state: object) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert state is None
        return torch.tensor([0.0, math.log(3.0)]).expand(*tokens.shape, 2), (torch.zeros(len(tokens)),)


class Parity(nn.Module):
    """Sure that the next token is 1 when the number of tokens read so far is even, by its state alone."""

    carries_state = True

    def forward(self, tokens: Tensor, state: tuple[Tensor, ...] | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        read = (0 if state is None else state[0][:, None]) + torch.arange(1, tokens.shape[1] + 1)
        read = read.expand(len(tokens), -1)
        logits = torch.stack([(read % 2).float(), 1 - (read % 2).float()], dim=2) * 1000
        return logits, (read[:, -1],)


def split_of(ids: list[int], context: int, history: int = 0) -> LanguageSplit:
    return LanguageSplit(np.array(ids), context=context, history=history, num_characters=20, num_bytes=40)


def found(model: nn.Module, split: LanguageSplit, size: int):  # type: ignore[no-untyped-def]
    loader = BatchLoader(split=split, order=split.order(BatchPlan(size=size, shuffle=False, seed=0)), readers=0)
    return evaluate(LanguageEvaluator(model=model, device=CPU, precision="32-true"), loader)


@pytest.mark.parametrize(("size", "context", "history"), [(1, 4, 0), (3, 4, 0), (8, 5, 0), (2, 6, 3), (100, 50, 0)])
def test_every_token_counts_once(size: int, context: int, history: int) -> None:
    ids = [1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0]
    result = found(Unigram(), split_of(ids, context, history), size)
    zeros = ids[1:].count(0)
    assert result.tokens == len(ids) - 1
    assert result.nats == pytest.approx(zeros * math.log(4) + (22 - zeros) * math.log(4 / 3))
    metrics = result.metrics
    assert metrics["loss"] == pytest.approx(result.nats / 22)
    assert metrics["perplexity"] == pytest.approx(math.exp(result.nats / 22))
    assert metrics["nats_per_character"] == pytest.approx(result.nats / 20)
    assert metrics["bits_per_byte"] == pytest.approx(result.nats / 40 / math.log(2))
    least_likely = [row for row, token in enumerate(ids[1:]) if token == 0]  # zeros first, then ones, in their order
    assert result.worst[: len(least_likely), 0].tolist() == least_likely
    assert result.worst[:, 1].tolist() == pytest.approx([math.log(4)] * zeros + [math.log(4 / 3)] * (22 - zeros))


def test_a_state_is_carried_to_the_last_token() -> None:
    # One stream of 21 predictions in stretches of 4: the state alone knows where in the text each one is.
    ids = [1, *(number % 2 for number in range(21))]
    assert found(Parity(), split_of(ids, 4), 1).nats == pytest.approx(0)
    # Two streams of 8: each begins at an even place, and the rest goes on where the second ended.
    assert found(Parity(), split_of(ids, 4), 2).nats == pytest.approx(0)
