"""Prefix beam search against the sum over all paths, with and without words; against CTC's loss on longer ones."""

import itertools
import math

import pytest
import torch

from sensorium.decoding.ctc import greedy
from sensorium.decoding.prefix_beam import beam_search
from sensorium.decoding.word_scorer import WordScorer
from sensorium.errors import RequestError
from sensorium.text.ngram import estimate

LETTERS = ["", " ", "a", "b"]
MODEL = estimate(["a b", "ab a", "b", "a a ab"], order=3)
EXACT = {"beam_size": 400, "threshold": -math.inf}


def decode(tokens) -> str:
    return "".join(LETTERS[token] for token in tokens)


def random_probs(utterances: int, frames: int, vocabulary: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(utterances, frames, vocabulary, generator=generator)).log_softmax(dim=2)


def every_sequence(log_probs: torch.Tensor) -> dict[tuple[int, ...], float]:
    """The log probability of each, summed over the paths (T, V) that become it."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token)
        chance = math.exp(sum(log_probs[frame, token].item() for frame, token in enumerate(path)))
        found[tokens] = found.get(tokens, 0.0) + chance
    return {tokens: math.log(chance) for tokens, chance in found.items()}


def scorer(model=MODEL, lexicon=None) -> WordScorer:
    return WordScorer(model, vocab_size=4, decode=decode, weight=0.8, word_score=0.3, lexicon=lexicon)


def every_text(log_probs: torch.Tensor, model, lexicon) -> dict[str, float]:
    """Their scores; with one space between words, and none or one, which is not told apart, at the end."""
    found: dict[str, float] = {}
    for tokens, score in every_sequence(log_probs).items():
        text, words = decode(tokens), decode(tokens).split()
        if text in (" ".join(words), " ".join([*words, ""])) and (lexicon is None or set(words) <= set(lexicon)):
            language = 0.8 * model.sentence_log_prob(text) if model else 0.0
            total = math.exp(score + language + 0.3 * len(words))
            found[text.strip()] = found.get(text.strip(), 0.0) + total
    return {text: math.log(total) for text, total in found.items()}


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_all_sequences_and_their_sums(frames):
    log_probs = random_probs(2, frames)
    found = beam_search(log_probs, torch.tensor([frames] * 2), n_best=400, **EXACT)
    for row, hypotheses in enumerate(found):
        expected = every_sequence(log_probs[row].double())
        assert {tuple(one.tokens): one.score for one in hypotheses} == pytest.approx(expected, abs=1e-6)
        assert [one.score for one in hypotheses] == pytest.approx(sorted(expected.values(), reverse=True))


@pytest.mark.parametrize(("model", "lexicon"), [(MODEL, None), (None, None), (MODEL, ["a", "bb"]), (None, ["ab", "b"])])
def test_words_are_scored(model, lexicon):
    log_probs = random_probs(3, 5, seed=1)
    words = scorer(model, lexicon)
    found = beam_search(log_probs, torch.tensor([5, 4, 5]), n_best=400, scorer=words, **EXACT)
    again = beam_search(log_probs, torch.tensor([5, 4, 5]), n_best=400, scorer=words, **EXACT)
    assert again == found  # what the scorer remembers changes nothing
    for row, hypotheses in enumerate(found):
        expected = every_text(log_probs[row, : 4 if row == 1 else 5].double(), model, lexicon)
        assert {decode(one.tokens): one.score for one in hypotheses} == pytest.approx(expected, abs=1e-6)


def test_a_narrow_beam_on_longer_utterances():
    log_probs = (4 * random_probs(3, 40, vocabulary=12, seed=2)).log_softmax(dim=2)
    lengths = torch.tensor([40, 31, 1])
    found = beam_search(log_probs, lengths, beam_size=32, n_best=4, threshold=-math.inf)
    for row, hypotheses in enumerate(found):
        assert len({tuple(one.tokens) for one in hypotheses}) == 4
        for one in hypotheses:
            exact = -torch.nn.functional.ctc_loss(
                log_probs[row, :, None].double(), torch.tensor([one.tokens]), lengths[row, None],
                torch.tensor([len(one.tokens)]), reduction="sum",
            ).item()  # fmt: skip
            assert exact - 0.05 < one.score <= exact + 1e-6
        best_path = greedy(log_probs[row : row + 1], lengths[row : row + 1])[0]
        assert hypotheses[0].score >= best_path.score


def test_the_sum_beats_the_best_path():
    # "aa" alone has the most probable path, blank; "a" has three paths
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert greedy(log_probs, torch.tensor([2]))[0].tokens == []
    best = beam_search(log_probs, torch.tensor([2]), beam_size=3)[0][0]
    assert best.tokens == [1]
    assert best.score == pytest.approx(math.log(0.4 * 0.4 + 2 * 0.4 * 0.6))


def test_rare_tokens_are_not_looked_at():
    log_probs = torch.tensor([[[0.5, 0.3, 0.2 - 1e-6, 1e-6]] * 3]).log()
    kept = beam_search(log_probs, torch.tensor([3]), beam_size=50, n_best=50, threshold=-10)[0]
    assert {token for one in kept for token in one.tokens} == {1, 2}
    kept = beam_search(log_probs, torch.tensor([3]), beam_size=50, n_best=50, top_tokens=1)[0]
    assert {token for one in kept for token in one.tokens} == {1}


def test_nothing_said():
    log_probs = random_probs(2, 3)
    found = beam_search(log_probs, torch.tensor([0, 3]), beam_size=4, n_best=2, scorer=scorer())
    assert [one.tokens for one in found[0]] == [[]]
    assert found[0][0].score == pytest.approx(0.8 * MODEL.sentence_log_prob(""))
    assert beam_search(log_probs[:, :0], torch.tensor([0, 0]), beam_size=4)[1][0] == ([], 0.0, [], [])


def test_a_word_that_is_not_finished_is_taken_off():
    log_probs = torch.tensor([[[0.01, 0.01, 0.97, 0.01], [0.01, 0.97, 0.01, 0.01], [0.01, 0.01, 0.01, 0.97]]]).log()
    found = beam_search(log_probs, torch.tensor([3]), beam_size=1, scorer=scorer(None, ["a", "ba"]))
    assert decode(found[0][0].tokens) == "a"
    found = beam_search(log_probs, torch.tensor([3]), beam_size=40, scorer=scorer(None, ["a", "ba"]))
    assert decode(found[0][0].tokens) == "a"


def test_wrong_requests():
    with pytest.raises(RequestError, match="5 hypotheses from a beam of 4"):
        beam_search(random_probs(1, 3), torch.tensor([3]), beam_size=4, n_best=5)
