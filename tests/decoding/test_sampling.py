"""Distributions computed by hand, and streams of tokens."""

import pytest
import torch
from torch import Tensor, nn

from sensorium.decoding.sampling import keep_top_k, keep_top_p, next_distribution, sample
from sensorium.errors import RequestError, RunError
from sensorium.models.text.lstm_lm import LSTMLanguageModel
from sensorium.models.text.transformer_lm import TransformerLanguageModel

LOGITS = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()


def test_top_k() -> None:
    assert next_distribution(LOGITS, temperature=1.0, top_k=2).tolist() == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert torch.equal(keep_top_k(LOGITS, 4), LOGITS)
    assert torch.equal(keep_top_k(LOGITS, 9), LOGITS)
    assert keep_top_k(torch.tensor([1.0, 2.0, 2.0]), 1).tolist() == [-torch.inf, 2.0, 2.0]


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.3, [0, 1, 0, 0]),
        (0.5, [0, 4 / 7, 0, 3 / 7]),
        (0.8, [0, 4 / 9, 2 / 9, 3 / 9]),
        (0.95, [0.1, 0.4, 0.2, 0.3]),
        (1e-9, [0, 1, 0, 0]),  # one token is always left
    ],
)
def test_top_p(p: float, expected: list[float]) -> None:
    assert next_distribution(LOGITS, temperature=1.0, top_p=p).tolist() == pytest.approx(expected)
    assert keep_top_p(LOGITS.expand(2, 4), p).softmax(1).tolist() == [pytest.approx(expected)] * 2


def test_temperature_then_top_k_then_top_p() -> None:
    halved = next_distribution(LOGITS, temperature=0.5)  # squares
    assert halved.tolist() == pytest.approx([1 / 30, 16 / 30, 4 / 30, 9 / 30])
    assert next_distribution(LOGITS, temperature=1e-30).tolist() == [0, 1, 0, 0]
    # of the three best squares, 16/29 are under 0.6 and 25/29 are not; of the probabilities themselves, 4/9 and 7/9
    both = next_distribution(LOGITS, temperature=0.5, top_k=3, top_p=0.6)
    assert both.tolist() == pytest.approx([0, 16 / 25, 0, 9 / 25])
    # with the smallest token still in, 16/30 would not reach 0.55 either; without it, 16/29 does
    assert next_distribution(LOGITS, temperature=0.5, top_k=3, top_p=0.55).tolist() == [0, 1, 0, 0]


class Counter:
    """Always the next number, in a vocabulary of ten; the state is how many tokens were read."""

    def __call__(self, tokens: Tensor, state: tuple[Tensor, ...] | None = None):
        read = (state[0] if state else 0) + torch.tensor([tokens.shape[1]])
        logits = torch.full((1, tokens.shape[1], 10), -50.0)
        logits.scatter_(2, ((tokens + 1) % 10)[..., None], 0.0)
        self.grad_enabled, self.read = torch.is_grad_enabled(), int(read)
        return logits, (read,)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_stream(temperature: float) -> None:
    model = Counter()
    assert list(sample(model, torch.tensor([[4, 7]]), length=5, temperature=temperature)) == [8, 9, 0, 1, 2]
    assert model.read == 6  # each token once, the last one never
    assert not model.grad_enabled
    assert list(sample(model, torch.tensor([[7]]), length=5, temperature=temperature, eos=0)) == [8, 9]
    assert list(sample(model, torch.tensor([[7]]), length=0, temperature=temperature)) == []


def test_tokens_come_one_by_one_and_leave_gradients_to_the_caller() -> None:
    model = Counter()
    stream = sample(model, torch.tensor([[1, 2, 3]]), length=100)
    assert next(stream) == 4
    assert torch.is_grad_enabled()
    assert model.read == 3


def language_models() -> list[nn.Module]:
    torch.manual_seed(0)
    return [
        LSTMLanguageModel(vocab_size=12, embedding_size=8, hidden_size=8).eval(),
        TransformerLanguageModel(vocab_size=12, context=6, width=8, heads=2, depth=2).eval(),
    ]


@pytest.mark.parametrize("model", language_models(), ids=["lstm", "transformer"])
def test_a_seed_gives_the_same_tokens(model: nn.Module) -> None:
    def draw(seed: int, **options: float) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return list(sample(model, torch.tensor([[3, 1, 4]]), length=30, generator=generator, **options))

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(1, temperature=0.0) == draw(2, temperature=0.0) == draw(1, top_k=1)
    tokens = [3, 1, 4]
    with torch.no_grad():
        while len(tokens) < 33:
            tokens.append(int(model(torch.tensor([tokens]))[0][0, -1].argmax()))
    assert draw(1, temperature=0.0) == tokens[3:]


def test_draws_follow_the_distribution() -> None:
    def model(tokens: Tensor, state: tuple[Tensor, ...] | None = None):
        return LOGITS.expand(1, tokens.shape[1], 4), ()

    drawn = list(sample(model, torch.tensor([[0]]), length=4000, top_k=2, generator=torch.Generator().manual_seed(0)))
    assert set(drawn) == {1, 3}
    assert drawn.count(1) / 4000 == pytest.approx(4 / 7, abs=0.025)  # three standard deviations


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": -1}, "length is 0 or more tokens, not -1"),
        ({"temperature": -0.5}, "temperature is 0"),
        ({"top_k": -1}, "top_k is 0"),
        ({"top_p": 0.0}, "top_p is above 0 and at most 1"),
        ({"top_p": 1.5}, "top_p is above 0 and at most 1"),
        ({"prompt": torch.zeros(1, 0, dtype=torch.long)}, r"at least one token, not \(1, 0\)"),
        ({"prompt": torch.zeros(2, 3, dtype=torch.long)}, r"one row"),
    ],
)
def test_numbers_out_of_range_are_refused_at_once(wrong: dict, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        sample(Counter(), **{"prompt": torch.tensor([[1]]), "length": 3, **wrong})


class Uniform(nn.Module):
    """Every one of four tokens is as likely."""

    def forward(self, tokens: Tensor, state: object = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        return torch.zeros(*tokens.shape, 4), ()


def test_banned_tokens_never_come() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = list(sample(Uniform(), torch.tensor([[1]]), length=60, generator=generator, banned=(0, 3)))
    assert set(drawn) == {1, 2}
    assert list(sample(Uniform(), torch.tensor([[1]]), length=2, temperature=0, banned=(0, 1))) == [2, 2]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_numbers_end_the_text(temperature: float) -> None:
    def broken(tokens: Tensor, state: tuple[Tensor, ...] | None = None) -> tuple[Tensor, tuple[Tensor, ...]]:
        return torch.full((1, tokens.shape[1], 5), torch.nan), ()

    with pytest.raises(RunError, match="output is not a number"):
        list(sample(broken, torch.ones(1, 1, dtype=torch.long), length=3, temperature=temperature))
