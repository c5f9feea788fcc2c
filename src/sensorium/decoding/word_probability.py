"""How probable each word of a transcript is where it is spoken: what an explanation of speech recognition is of.

The frames of an utterance are divided between its words, in the middle of what lies between two of them on the most
probable path; a word's probability is that its part of the frames spells it, over all paths of CTC (A. Graves et al.,
2006) that do. Paths may shift inside the part, so that hiding another word does not count as a fault of this one.
Tokens that are white space alone count as blanks: a space belongs to neither of its words.

Shapes: N rows, T' frames, V vocabulary, W words.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sensorium.decoding.alignment import align_tokens
from sensorium.decoding.ctc import BLANK
from sensorium.decoding.token_words import Decode, token_words


class WordPart(NamedTuple):
    """A word, or one token of it, with its tokens. start, end: its frames on the most probable path, to end - 1.
    first, last: the part of the frames it is spelled by, to last - 1. word: that it belongs to; "" for itself.
    """

    text: str
    tokens: tuple[int, ...]
    start: int
    end: int
    first: int
    last: int
    word: str = ""


def word_parts(log_probs: Tensor, tokens: Sequence[int], decode: Decode, *, characters: bool = False) -> list[WordPart]:
    """The words of a transcript; the tokens of one that is a single word, and with `characters` of every word.

    log_probs: (T', V) of one utterance, without padding. decode: the tokenizer's, from numbers to text. Raises
    ValueError when T' frames cannot hold the tokens.
    """
    whole = [(word.text, tuple(tokens[word.first : word.last])) for word in token_words(tokens, decode)]
    words = [(text, own, "") for text, own in whole]
    if characters or len(whole) == 1:
        words = [(decode([token]).strip(), (token,), text) for text, own in whole for token in own]
    if not words:
        return []
    spans = align_tokens(without_spaces(log_probs, decode), [token for _, own, _ in words for token in own])
    found, place = [], 0
    for _, own, _ in words:
        found.append((spans[place].first, spans[place + len(own) - 1].last))
        place += len(own)
    edges = [0, *((one[1] + other[0]) // 2 for one, other in pairwise(found)), len(log_probs)]
    return [
        WordPart(text, own, *span, *part, word)
        for (text, own, word), span, part in zip(words, found, pairwise(edges), strict=True)
    ]


def without_spaces(log_probs: Tensor, decode: Decode) -> Tensor:
    """(..., V) in which every token of white space alone is the blank: their probabilities are its."""
    size = log_probs.shape[-1]
    spaces = [token for token in range(size) if token != BLANK and _is_space(decode([token]))]
    if not spaces:
        return log_probs
    joined = log_probs[..., [BLANK, *spaces]].logsumexp(dim=-1, keepdim=True)
    others = torch.arange(size, device=log_probs.device)
    found = torch.where(others == BLANK, joined, log_probs)
    return found.masked_fill(torch.isin(others, torch.tensor(spaces, device=others.device)), -1e4)


def word_log_probs(log_probs: Tensor, parts: Sequence[WordPart]) -> Tensor:
    """(N, T', V) after `without_spaces` -> (N, W): the log-probability of each word in its part, with gradients."""
    rows, longest = len(log_probs), max(part.last - part.first for part in parts)
    frames = torch.tensor([part.first for part in parts])[:, None] + torch.arange(longest)
    cut = log_probs[:, frames.clamp(max=log_probs.shape[1] - 1).to(log_probs.device)]  # (N, W, longest, V)
    targets = torch.tensor([token for part in parts for token in part.tokens]).repeat(rows)
    losses = F.ctc_loss(
        cut.flatten(0, 1).transpose(0, 1),
        targets.to(log_probs.device),
        torch.tensor([part.last - part.first for part in parts]).repeat(rows),
        torch.tensor([len(part.tokens) for part in parts]).repeat(rows),
        blank=BLANK,
        reduction="none",
    )
    return -losses.view(rows, len(parts))


def _is_space(text: str) -> bool:
    return bool(text) and not text.strip()
