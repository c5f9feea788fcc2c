"""Greedy CTC decoding: the most probable token of each frame.

Connectionist temporal classification: A. Graves et al., 2006, "Connectionist Temporal Classification: Labeling
Unsegmented Sequence Data with Recurrent Neural Networks". A path has one token a frame; of equal neighbors one stays,
then blanks, token 0, are omitted. Greedy decoding takes the most probable path, which need not be a path of the most
probable sequence: see `prefix_beam`.

Shapes: B utterances, T frames, V vocabulary, U tokens of the longest result.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sensorium.text.tokenizer import PAD

BLANK = PAD


class CTCHypothesis(NamedTuple):
    """The n-best transcripts.

    tokens: without blanks. score: natural logarithm of its probability, the language model's part and the reward for
    words included; after greedy decoding, of the one path. frames: the first frame of each token on its most probable
    path. confidences: of each token, its mean probability over its frames there, from 0 to 1.
    """

    tokens: list[int]
    score: float
    frames: list[int]
    confidences: list[float]


@torch.no_grad()
def greedy(log_probs: Tensor, lengths: Tensor) -> list[CTCHypothesis]:
    """The most probable path of each utterance, as tokens.

    log_probs: (B, T, V). lengths: (B,) frames.
    """
    values, path, begins = _best_path(log_probs, lengths)
    runs = begins.cumsum(dim=1) * (path != BLANK)  # number of the token each frame belongs to; 0 at blanks
    sums = torch.zeros(2, len(path), path.shape[1] + 1, device=path.device)
    sums[0].scatter_add_(1, runs, values.exp())
    sums[1].scatter_add_(1, runs, torch.ones_like(values))
    means = (sums[0] / sums[1].clamp_min(1)).tolist()
    scores = values.sum(dim=1).tolist()
    counts = begins.sum(dim=1).tolist()
    places = begins.nonzero()[:, 1].split(counts)
    tokens = path[begins].split(counts)
    return [
        CTCHypothesis(found.tolist(), score, frames.tolist(), mean[1 : len(found) + 1])
        for found, score, frames, mean in zip(tokens, scores, places, means, strict=True)
    ]


@torch.no_grad()
def greedy_tokens(log_probs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Only the tokens of the most probable paths, (B, U) with 0 past the end, and how many there are, (B,).

    log_probs: (B, T, V). lengths: (B,) frames. Everything stays on the device.
    """
    _, path, begins = _best_path(log_probs, lengths)
    rows, frames = begins.nonzero(as_tuple=True)
    numbers = begins.cumsum(dim=1)
    counts = begins.sum(dim=1)
    tokens = path.new_full((len(path), int(counts.max()) if len(path) else 0), PAD)
    tokens[rows, numbers[rows, frames] - 1] = path[rows, frames]
    return tokens, counts


def _best_path(log_probs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log probabilities (B, T) along the most probable path, its tokens, and where each that stays begins.

    Behind the end there are blanks with probability 1.
    """
    values, path = log_probs.float().max(dim=2)
    behind = torch.arange(path.shape[1], device=path.device) >= lengths.to(path.device)[:, None]
    path = path.masked_fill(behind, BLANK)
    before = torch.nn.functional.pad(path[:, :-1], (1, 0), value=BLANK) if path.shape[1] else path
    return values.masked_fill(behind, 0.0), path, (path != BLANK) & (path != before)
