"""Forced alignment: when each token and word of a known text was spoken: the most probable path of CTC that spells it.

The search is torchaudio's (`forced_align`), one utterance at a time. Positions are frames of the log-probabilities;
the caller knows how long one lasts. Models trained with CTC tend to emit a token in one frame or two, somewhere within
its audio, so a word's end is usually too early.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torchaudio.functional import forced_align

from sensorium.decoding.ctc import BLANK, CTCHypothesis
from sensorium.decoding.token_words import Decode, token_words


class Span(NamedTuple):
    """A token's frames, first to last - 1, and its mean probability there."""

    first: int
    last: int
    confidence: float


class WordTime(NamedTuple):
    """A word and its frames, start to end - 1. confidence: the geometric mean of its tokens' probabilities."""

    word: str
    start: int
    end: int
    confidence: float


def frames_needed(tokens: Sequence[int]) -> int:
    """The fewest frames that can spell these tokens: one for each, and a blank between equal neighbors."""
    return len(tokens) + sum(one == other for one, other in pairwise(tokens))


@torch.no_grad()
def align_tokens(log_probs: Tensor, tokens: Sequence[int]) -> list[Span]:
    """Where each token stands on the most probable path.

    log_probs: (T, V) of one utterance, without padding. Raises ValueError when T frames cannot hold the tokens.
    """
    if not tokens:
        return []
    if frames_needed(tokens) > len(log_probs):
        raise ValueError(f"{len(tokens)} tokens need {frames_needed(tokens)} frames, and there are {len(log_probs)}.")
    log_probs = log_probs.detach().float().cpu()
    path, scores = forced_align(log_probs[None], torch.tensor([list(tokens)]), blank=BLANK)
    labels, probabilities = path[0].tolist(), scores[0].exp().tolist()
    spans: list[Span] = []
    first, label = 0, BLANK
    for frame, following in enumerate([*labels, BLANK]):
        if following == label:
            continue
        if label != BLANK:
            spans.append(Span(first, frame, sum(probabilities[first:frame]) / (frame - first)))
        first, label = frame, following
    return spans


def with_frames(tokens: list[int], score: float, log_probs: Tensor) -> CTCHypothesis:
    """The hypothesis with these tokens, whose frames are found by alignment to log_probs (T, V)."""
    spans = align_tokens(log_probs, tokens)
    return CTCHypothesis(tokens, score, [span.first for span in spans], [span.confidence for span in spans])


def align_words(log_probs: Tensor, tokens: Sequence[int], decode: Decode) -> list[WordTime]:
    """When each word of a text was spoken.

    log_probs: (T, V) of one utterance, without padding. tokens: of the text. decode: the tokenizer's, from numbers to
    text. Raises ValueError when T frames cannot hold the tokens.
    """
    spans, found = align_tokens(log_probs, tokens), []
    for word in token_words(tokens, decode):
        own = spans[word.first : word.last]
        # One doubtful token makes the whole word doubtful: the geometric mean tells right words from wrong ones better
        # than the mean over frames does.
        confidence = math.prod(span.confidence for span in own) ** (1 / len(own))
        found.append(WordTime(word.text, own[0].first, own[-1].last, confidence))
    return found
