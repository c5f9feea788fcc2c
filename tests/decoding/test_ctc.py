"""Greedy decoding by hand; beam search with words; Flashlight's search beside ours."""

import importlib
import math

import pytest
import torch

from sensorium.decoding.ctc import greedy, greedy_tokens
from sensorium.decoding.ctc_decoder import CTCDecoder
from sensorium.errors import RequestError
from sensorium.text.bpe import BPETokenizer
from sensorium.text.ngram import NGram, estimate
from sensorium.text.tokenizer import SPECIAL_TOKENS

TOKENS = [*SPECIAL_TOKENS, *" abcdelnotuw"]
WORDS = ["one", "two", "den", "eel", "a", "tool", "nature"]  # the last cannot be spelled
MODEL = estimate(["one two", "two two one", "den eel", "one a two a", "a tool", "one eel"], order=2).to_arpa()
TEXTS = ["one two", "eel", "tool a tool", "", "den one den"]


def path(frames: list[tuple[int, float]], vocabulary: int = 4) -> torch.Tensor:
    """Log-probabilities (T, V): one token a frame with this probability, the others share the rest."""
    rows = torch.empty(len(frames), vocabulary)
    for row, (token, probability) in zip(rows, frames, strict=True):
        row.fill_((1 - probability) / (vocabulary - 1))
        row[token] = probability
    return rows.log()


def spoken(texts: list[str], *, noise: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """What a recogniser might say: each letter lasts one to three frames, blanks between, everything uncertain."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for text in texts:
        frames = [0]
        for letter in text:
            frames += [TOKENS.index(letter)] * int(torch.randint(1, 4, (), generator=generator)) + [0]
        rows.append(torch.nn.functional.one_hot(torch.tensor(frames), len(TOKENS)) * 4.0)
    logits = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    logits = logits + noise * torch.randn(logits.shape, generator=generator)
    return logits.log_softmax(dim=2), torch.tensor([len(row) for row in rows])


def text_of(tokens: list[int]) -> str:
    return " ".join("".join(TOKENS[token] for token in tokens if token > 3).split())


def test_greedy_by_hand():
    frames = [(1, 0.5), (1, 0.7), (0, 0.9), (1, 0.4), (2, 0.8), (2, 0.6), (0, 0.5), (3, 0.9)]
    log_probs = torch.stack([path(frames), path(frames)])
    whole, short = greedy(log_probs, torch.tensor([8, 6]))
    assert whole.tokens == [1, 1, 2, 3]
    assert whole.frames == [0, 3, 4, 7]
    assert whole.confidences == pytest.approx([0.6, 0.4, 0.7, 0.9])
    assert whole.score == pytest.approx(torch.tensor([chance for _, chance in frames]).log().sum().item())
    assert (short.tokens, short.frames) == ([1, 1, 2], [0, 3, 4])
    tokens, counts = greedy_tokens(log_probs, torch.tensor([8, 6]))
    assert tokens.tolist() == [[1, 1, 2, 3], [1, 1, 2, 0]]
    assert counts.tolist() == [4, 3]


def test_greedy_finds_nothing():
    silence = path([(0, 0.9)] * 3)[None]
    assert greedy(silence, torch.tensor([3]))[0][0] == []
    assert greedy(silence[:, :0], torch.tensor([0]))[0] == ([], 0.0, [], [])
    assert greedy_tokens(silence, torch.tensor([3]))[0].shape == (1, 0)


def test_a_beam_of_one_without_words_is_greedy():
    log_probs, lengths = spoken(TEXTS, noise=0.8)
    found = CTCDecoder(tokens=TOKENS, beam_size=1).decode(log_probs, lengths)
    assert found == [[one] for one in greedy(log_probs, lengths)]
    # The best path is two blanks, 0.36; but all paths of "a" together have 0.4 * 0.4 + 2 * 0.4 * 0.6 = 0.64.
    a, blank = TOKENS.index("a"), 0
    unsure = path([(blank, 0.6), (blank, 0.6)], len(TOKENS)).exp()
    unsure[:, a] = 0.4
    best = [CTCDecoder(tokens=TOKENS, beam_size=size).decode(unsure.log()[None], torch.tensor([2])) for size in (1, 4)]
    assert [text_of(one[0][0].tokens) for one in best] == ["", "a"]
    assert best[1][0][0].score == pytest.approx(math.log(0.4 * 0.4 + 2 * 0.4 * 0.6))


@pytest.mark.parametrize("words", [None, WORDS[:-1]], ids=["any word", "lexicon"])
@pytest.mark.parametrize("language_model", ["", MODEL], ids=["no lm", "lm"])
@pytest.mark.parametrize("noise", [0.3, 0.8])
def test_flashlight_agrees(language_model, words, noise):
    reference = importlib.import_module("flashlight_beam")
    if language_model and words is None:
        pytest.skip("Flashlight has no language model of words without a lexicon")
    log_probs, lengths = spoken(TEXTS, noise=noise)
    ours = CTCDecoder(
        tokens=TOKENS,
        beam_size=60,
        n_best=3,
        language_model=language_model,
        lexicon=words,
        language_weight=0.7,
        word_score=0.4,
    )
    theirs = reference.Flashlight(
        vocab_size=len(TOKENS),
        beam_size=60,
        n_best=3,
        top_tokens=40,
        spellings=words and {word: [TOKENS.index(letter) for letter in word] for word in words},
        space=TOKENS.index(" ") if words else 0,
        language_model=NGram.from_arpa(language_model) if language_model else None,
        weight=0.7,
        word_score=0.4,
    )
    both = zip(TEXTS, ours.decode(log_probs, lengths), theirs.decode(log_probs, lengths), strict=True)
    for text, one, other in both:
        assert text_of(one[0].tokens) == text_of(other[0][0])
        # Prunings differ, and Flashlight counts paths with needless spaces too.
        assert one[0].score == pytest.approx(other[0][1], abs=0.15 if noise < 0.5 else 0.4)
        if noise < 0.5 or (words and language_model):
            assert text_of(one[0].tokens) == text
        if words:
            assert text_of(one[1].tokens) == text_of(other[1][0]) or noise > 0.5
            assert all(set(text_of(found.tokens).split()) <= set(words) for found in one)


def test_only_spelled_words_and_their_frames():
    log_probs, lengths = spoken(["two"], noise=0.0)
    best = CTCDecoder(tokens=TOKENS, beam_size=8, lexicon=["den", "tool", "tw"]).decode(log_probs, lengths)[0][0]
    assert text_of(best.tokens) == "tool"
    assert best.frames[0] == 1
    assert best.confidences[0] > 0.7 > 0.1 > best.confidences[1]


def test_a_batch_of_one_is_a_row_of_a_larger_one():
    log_probs, lengths = spoken(TEXTS, noise=0.8)
    decoder = CTCDecoder(tokens=TOKENS, beam_size=8, language_model=MODEL, lexicon=WORDS)
    together = decoder.decode(log_probs, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = decoder.decode(log_probs[row : row + 1, :length], lengths[row : row + 1])[0]
        assert alone == together[row]


@pytest.mark.parametrize("vocab_size", [260, 270])
def test_bytes_as_tokens(vocab_size):
    tokenizer = BPETokenizer.train(["zwölf Äpfel", "zwölf"] * 9, vocab_size=vocab_size, min_count=2, lowercase=False)
    ids = tokenizer.encode("zwölf Äpfel")
    frames = [(token, 0.6) for token in [0, *ids, 0]]
    log_probs = path(frames, tokenizer.vocab_size)[None]
    for lexicon in (None, ["zwölf", "Äpfel"], ["Äpfel", "zwölf", "zwö"]):
        decoder = CTCDecoder(
            tokens=tokenizer.tokens,
            decode=tokenizer.decode,
            beam_size=4,
            lexicon=lexicon,
            language_model=estimate(["zwölf Äpfel"], order=2).to_arpa(),
        )
        assert decoder.decode(log_probs, torch.tensor([len(frames)]))[0][0].tokens == ids


def test_wrong_requests():
    with pytest.raises(RequestError, match="n_best=3 of a beam of 2"):
        CTCDecoder(tokens=TOKENS, beam_size=2, n_best=3)
    with pytest.raises(RequestError, match="lexicon is empty"):
        CTCDecoder(tokens=TOKENS, lexicon=[])
