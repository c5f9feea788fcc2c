"""The probability of a word in its part of the frames, against the sum over all paths, one by one."""

from itertools import product

import pytest
import torch

from sensorium.decoding.word_probability import WordPart, without_spaces, word_log_probs, word_parts
from sensorium.text.build_tokenizer import train_tokenizer

TOKENIZER = train_tokenizer("char", ["ab "], vocab_size=10, min_count=1, lowercase=False)
A, B, SPACE = (TOKENIZER.encode(letter)[0] for letter in "ab ")
VOCABULARY = TOKENIZER.vocab_size


def peaks(*tokens: int) -> torch.Tensor:
    """(T', V) log-probabilities of 0.9 for each of the tokens; 0 is the blank."""
    found = torch.full((len(tokens), VOCABULARY), 0.1 / (VOCABULARY - 1))
    found[torch.arange(len(tokens)), list(tokens)] = 0.9
    return found.log()


def test_the_frames_are_divided_in_the_middle_between_two_words():
    spoken = peaks(0, A, B, 0, SPACE, 0, 0, 0, B, 0, 0)
    first, second = word_parts(spoken, [A, B, SPACE, B], TOKENIZER.decode)
    assert first == WordPart("ab", (A, B), 1, 3, 0, 5)  # (3 + 8) // 2
    assert second == WordPart("b", (B,), 8, 9, 5, 11)
    letters = word_parts(spoken, [A, B, SPACE, B], TOKENIZER.decode, characters=True)
    assert [(part.text, part.tokens, part.word) for part in letters] == [
        ("a", (A,), "ab"), ("b", (B,), "ab"), ("b", (B,), "b"),
    ]  # fmt: skip
    assert letters[2] == WordPart("b", (B,), 8, 9, 5, 11, "b")


def test_a_single_word_is_divided_into_its_tokens():
    parts = word_parts(peaks(A, 0, A, B), [A, A, B], TOKENIZER.decode)
    assert [(part.text, part.start, part.first, part.last) for part in parts] == [
        ("a", 0, 0, 1),
        ("a", 2, 1, 3),
        ("b", 3, 3, 4),
    ]


def test_nothing_recognized_has_no_parts():
    assert word_parts(peaks(0, 0), [], TOKENIZER.decode) == []
    assert word_parts(peaks(0, SPACE), [SPACE], TOKENIZER.decode) == []


def test_a_space_counts_as_a_blank():
    found = without_spaces(peaks(SPACE, A), TOKENIZER.decode).exp()
    assert found[0, 0] == pytest.approx(0.9 + 0.1 / (VOCABULARY - 1))
    assert found[0, SPACE] == 0
    assert found[1, A] == pytest.approx(0.9)
    assert found.sum(dim=1).tolist() == pytest.approx([1, 1])


def test_the_sum_over_all_paths_of_a_part():
    logits = torch.randn(2, 7, VOCABULARY, generator=torch.Generator().manual_seed(0), requires_grad=True)
    log_probs = logits.log_softmax(2)
    parts = [WordPart("ab", (A, B), 1, 2, 0, 3), WordPart("aa", (A, A), 3, 6, 3, 7)]
    found = word_log_probs(log_probs, parts)
    assert found.shape == (2, 2)
    for row, part in product(range(2), range(2)):
        own = log_probs[row, parts[part].first : parts[part].last].exp().tolist()
        expected = sum(
            torch.tensor([frame[token] for frame, token in zip(own, path, strict=True)]).prod().item()
            for path in product(range(VOCABULARY), repeat=len(own))
            if _collapsed(path) == parts[part].tokens
        )
        assert found[row, part].exp().item() == pytest.approx(expected, rel=1e-4)
    found[0, 1].backward()
    assert not logits.grad[1].any()
    assert not logits.grad[0, :3].any()
    assert logits.grad[0, 3:].any()


def _collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    kept = [token for place, token in enumerate(path) if place == 0 or token != path[place - 1]]
    return tuple(token for token in kept if token != 0)
