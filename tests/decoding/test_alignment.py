"""The most probable path of a known text, against all paths; words from characters and from pieces."""

import itertools

import pytest
import torch

from sensorium.decoding.alignment import WordTime, align_tokens, align_words, frames_needed
from sensorium.decoding.token_words import token_words

LETTERS = ["", " ", "a", "b", " ab"]


def decode(tokens) -> str:
    return "".join(LETTERS[token] for token in tokens)


def path(frames: list[tuple[int, float]]) -> torch.Tensor:
    rows = torch.empty(len(frames), len(LETTERS))
    for row, (token, probability) in zip(rows, frames, strict=True):
        row.fill_((1 - probability) / (len(LETTERS) - 1))
        row[token] = probability
    return rows.log()


def test_words_by_hand():
    log_probs = path([(0, 0.9), (2, 0.8), (2, 0.6), (0, 0.9), (3, 0.4), (1, 0.9), (0, 0.9), (2, 0.9), (0, 0.9)])
    assert align_words(log_probs, [2, 3, 1, 2], decode) == [
        WordTime("ab", 1, 5, pytest.approx((0.7 * 0.4) ** 0.5)),
        WordTime("a", 7, 8, pytest.approx(0.9)),
    ]


@pytest.mark.parametrize("tokens", [[2], [2, 2], [3, 1, 2], [1, 4, 4]])
def test_against_all_paths(tokens):
    log_probs = torch.randn(6, len(LETTERS), generator=torch.Generator().manual_seed(len(tokens))).log_softmax(dim=1)
    best, best_score = (), -torch.inf
    for candidate in itertools.product(range(len(LETTERS)), repeat=6):
        if [token for token, _ in itertools.groupby(candidate) if token] == tokens:
            score = log_probs[torch.arange(6), list(candidate)].sum().item()
            best, best_score = (candidate, score) if score > best_score else (best, best_score)
    spans = align_tokens(log_probs, tokens)
    written = [0] * 6
    for token, span in zip(tokens, spans, strict=True):
        written[span.first : span.last] = [token] * (span.last - span.first)
        chances = log_probs[span.first : span.last, token].exp()
        assert span.confidence == pytest.approx(chances.mean().item())
    assert tuple(written) == best


def test_an_impossible_token_is_avoided():
    log_probs = path([(0, 0.5)] * 4)
    log_probs[:3, 2] = -torch.inf
    assert [(span.first, span.last) for span in align_tokens(log_probs, [2])] == [(3, 4)]
    log_probs[3, 2] = -torch.inf
    (span,) = align_tokens(log_probs, [2])
    assert span.confidence == 0


def test_words_of_tokens():
    assert token_words([2, 4, 3, 1, 1, 2, 1], decode) == [("a", 0, 1), ("abb", 1, 3), ("a", 5, 6)]
    assert token_words([1, 2], decode) == [("a", 1, 2)]
    assert token_words([], decode) == token_words([1, 1], decode) == []


def test_empty_and_too_long():
    log_probs = path([(0, 0.9)] * 3)
    assert align_words(log_probs, [], decode) == []
    assert align_words(log_probs[:0], [], decode) == []
    assert align_words(log_probs, [1], decode) == []
    assert frames_needed([2, 2, 3, 3, 3]) == 8
    with pytest.raises(ValueError, match="3 tokens need 4 frames, and there are 3"):
        align_words(log_probs, [2, 2, 3], decode)
