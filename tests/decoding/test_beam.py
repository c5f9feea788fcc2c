"""Beam search against all sequences, a slow beam search and greedy search, and a batch against its sentences alone."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from sensorium.decoding.beam import Hypothesis, beam_search, best_continuations
from sensorium.errors import RequestError
from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.models.text.transformer_seq2seq import TransformerSeq2Seq

PAD, UNK, BOS, EOS = range(4)
IDS = {"bos": BOS, "eos": EOS, "pad": PAD}
PLACES = 97


class Toy:
    """Random scores that depend on the sentence and on all tokens so far; memory is a table (R, PLACES, V)."""

    def step(self, tokens: Tensor, memory: tuple[Tensor, ...], state: tuple[Tensor, ...]):
        place = (state[0] * 31 + tokens) % PLACES
        rows = torch.arange(len(tokens)) // (len(tokens) // len(memory[0]))
        return memory[0][rows, place], (place,)

    @staticmethod
    def encode(sentences: int, vocabulary: int, seed: int = 0) -> tuple[tuple[Tensor], tuple[Tensor]]:
        table = torch.randn(sentences, PLACES, vocabulary, generator=torch.Generator().manual_seed(seed)) * 2
        return (table,), (torch.zeros(sentences, dtype=torch.long),)


def scores_after(table: Tensor, tokens: list[int]) -> list[float]:
    """Log probabilities of the next token after these, in a sentence of the toy."""
    place = 0
    for token in [BOS, *tokens]:
        place = (place * 31 + token) % PLACES
    return table[place].log_softmax(0).tolist()


def every_hypothesis(table: Tensor, longest: int, alpha: float) -> list[Hypothesis]:
    """All that can be written, best first."""
    words, found = [UNK, *range(4, table.shape[1])], []
    for length in range(longest + 1):
        for written in itertools.product(words, repeat=length):
            tokens = list(written)
            total = sum(scores_after(table, tokens[:place])[token] for place, token in enumerate([*tokens, EOS]))
            found.append(Hypothesis(tokens, total / ((6 + length) / 6) ** alpha, total))
    return sorted(found, key=lambda one: -one.score)


def slow_beam(table: Tensor, k: int, longest: int, alpha: float) -> Hypothesis:
    """The rule of the module's docstring for one sentence, with lists."""
    going, finished = [([], 0.0)], []
    for length in range(longest + 1):
        nexts = []
        for tokens, total in going:
            for token, score in enumerate(scores_after(table, tokens)):
                if token not in (PAD, BOS) and (length < longest or token == EOS):
                    nexts.append(([*tokens, token], total + score))
        nexts.sort(key=lambda one: -one[1])
        penalty = ((6 + length) / 6) ** alpha
        finished += [
            Hypothesis(tokens[:-1], total / penalty, total) for tokens, total in nexts[:k] if tokens[-1] == EOS
        ]
        going = [one for one in nexts[: 2 * k] if one[0][-1] != EOS][:k]
        if len(finished) >= k:
            break
    return max(finished, key=lambda one: one.score)


def greedy(table: Tensor, longest: int) -> Hypothesis:
    """The most probable token at every step until the end token, for one sentence of the toy."""
    tokens: list[int] = []
    total = 0.0
    while True:
        scores = scores_after(table, tokens)
        allowed = [token for token in range(len(scores)) if token not in (PAD, BOS)] if len(tokens) < longest else [EOS]
        best = max(allowed, key=scores.__getitem__)
        total += scores[best]
        if best == EOS:
            return Hypothesis(tokens, total, total)
        tokens.append(best)


def same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [one.tokens for one in found] == [one.tokens for one in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=1e-5)
        assert ours.log_probability == pytest.approx(theirs.log_probability, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_wide_beam_equals_brute_force(alpha: float) -> None:
    memory, state = Toy.encode(30, vocabulary=6)
    memory[0][:15, :, EOS] += 2  # some are tempted to end too early
    found = beam_search(
        Toy(), memory, state, **IDS, beam_size=40, max_length=3, length_penalty=alpha, n_best=40
    )  # 1 + 3 + 9 + 27 sequences
    for table, hypotheses in zip(memory[0], found, strict=True):
        same(hypotheses[:8], every_hypothesis(table, 3, alpha)[:8])
    best = beam_search(Toy(), memory, state, **IDS, beam_size=40, max_length=3, length_penalty=alpha)
    assert [one.tokens for (one,) in best] == [hypotheses[0].tokens for hypotheses in found]


def test_no_repeats_equals_brute_force() -> None:
    memory, state = Toy.encode(6, vocabulary=6)
    found = beam_search(Toy(), memory, state, **IDS, beam_size=121, max_length=4, no_repeat_ngram=2, n_best=3)
    changed = 0
    for table, hypotheses in zip(memory[0], found, strict=True):
        every = every_hypothesis(table, 4, 0.0)
        allowed = [one for one in every if len({*itertools.pairwise(one.tokens)}) == max(len(one.tokens) - 1, 0)]
        same(hypotheses, allowed[:3])
        changed += allowed[:3] != every[:3]
    assert changed == 1  # of 6


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_ngram_comes_twice(n: int) -> None:
    memory, state = Toy.encode(5, vocabulary=8, seed=1)
    memory[0][..., EOS] -= 4  # long ones
    for hypotheses in beam_search(Toy(), memory, state, **IDS, beam_size=3, max_length=20, no_repeat_ngram=n):
        tokens = hypotheses[0].tokens
        ngrams = list(zip(*(tokens[start:] for start in range(n)), strict=False))
        assert len(ngrams) == len(set(ngrams))
        assert len(tokens) > 4 or n == 1


@pytest.mark.parametrize("vocabulary", [9, 300])  # 300: maxima of blocks first
@pytest.mark.parametrize("k", [1, 2, 4])
def test_narrow_beam_equals_a_slow_one(vocabulary: int, k: int) -> None:
    memory, state = Toy.encode(60, vocabulary, seed=2)
    memory[0][..., EOS] += 4 if vocabulary == 300 else 1
    limits = torch.tensor([1, 2, 3, 4, 5, 6] * 10)
    found = beam_search(Toy(), memory, state, **IDS, beam_size=k, max_length=limits, length_penalty=1.5)
    expected = [slow_beam(table, k, int(limit), 1.5) for table, limit in zip(memory[0], limits, strict=True)]
    same([hypotheses[0] for hypotheses in found], expected)
    assert len({len(one.tokens) for one in expected}) > 3


def test_width_one_equals_greedy() -> None:
    memory, state = Toy.encode(20, vocabulary=9, seed=3)
    limits = torch.arange(1, 21)
    beams = beam_search(Toy(), memory, state, **IDS, beam_size=1, max_length=limits)
    expected = [greedy(table, int(limit)) for table, limit in zip(memory[0], limits, strict=True)]
    same([one for (one,) in beams], expected)
    assert max(len(one.tokens) for one in expected) > 5


def models() -> list[nn.Module]:
    torch.manual_seed(4)
    sizes = {"source_vocab_size": 20, "target_vocab_size": 300, "pad_id": PAD}
    built = [
        RNNSeq2Seq(**sizes, embedding_size=8, hidden_size=8, num_layers=2),
        RNNSeq2Seq(**sizes, embedding_size=8, hidden_size=8, cell="gru", input_feeding=True, coverage=True),
        RNNSeq2Seq(**sizes, embedding_size=8, hidden_size=8, attention="bahdanau", coverage=True),
        TransformerSeq2Seq(**sizes, width=8, heads=2, depth=2, hidden=16),
    ]
    for model in built:
        nn.init.normal_(model.embedding.weight, std=1.5)  # decided, so that rounding does not choose
        model.embedding.weight.data[EOS] *= 1.5
    return [model.eval() for model in built]


@pytest.mark.parametrize("model", models(), ids=["luong", "feeding", "bahdanau", "transformer"])
def test_a_batch_equals_its_sentences_alone(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, 9, (10,), generator=generator)
    source = torch.randint(4, 20, (10, 8), generator=generator)
    source[torch.arange(8) >= lengths[:, None]] = PAD
    options = {**IDS, "beam_size": 4, "length_penalty": 0.6, "n_best": 3}
    with torch.no_grad():
        together = beam_search(model, *model.encode(source, lengths), **options, max_length=lengths + 4)
        for row, expected in enumerate(together):
            length = lengths[row : row + 1]
            encoded = model.encode(source[row : row + 1, : int(length)], length)
            same(beam_search(model, *encoded, **options, max_length=int(length) + 4)[0], expected)
        found = together[3][0]
        target = torch.tensor([[BOS, *found.tokens]])
        scores = model(source[3:4], lengths[3:4], target).log_softmax(2)[0]
    wanted = [*found.tokens, EOS]
    assert math.fsum(scores[range(len(wanted)), wanted].tolist()) == pytest.approx(found.log_probability, abs=1e-4)


@pytest.mark.parametrize("vocabulary", [5, 128, 1000, 1024])
def test_best_continuations_equal_sorting_everything(vocabulary: int) -> None:
    torch.manual_seed(6)
    scores, so_far = torch.randn(6 * 3, vocabulary).log_softmax(1), torch.randn(6, 3)
    scores[::2, -1] = 0.0  # the last token of an unfilled block
    so_far[2, 1] = -torch.inf  # a hypothesis that is not there
    values, parents, tokens = best_continuations(scores, so_far, 8)
    every = (scores.view(6, 3, vocabulary) + so_far[..., None]).flatten(1)
    expected, places = every.sort(descending=True)
    assert torch.equal(values, expected[:, :8])
    assert torch.equal((parents * vocabulary + tokens)[values.isfinite()], places[:, :8][values.isfinite()])


def test_an_empty_batch_has_no_hypotheses() -> None:
    memory, state = Toy.encode(0, vocabulary=6)
    assert beam_search(Toy(), memory, state, **IDS, beam_size=2, max_length=3) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_best": 3}, "n_best=3 hypotheses need a beam_size"),
        ({"beam_size": 0}, "beam_size"),
        ({"length_penalty": -1.0}, "length_penalty is 0 or more, not -1"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram is 0"),
        ({"max_length": 0}, "max_length is at least 1 token, not 0"),
    ],
)
def test_numbers_out_of_range_are_refused(wrong: dict, message: str) -> None:
    memory, state = Toy.encode(1, vocabulary=6)
    with pytest.raises(RequestError, match=message):
        beam_search(Toy(), memory, state, **{**IDS, "beam_size": 2, "max_length": 3, **wrong})
