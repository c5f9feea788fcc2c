"""CTC prefix beam search, optionally with a language model and a lexicon.

Prefix beam search: A. Graves, "Supervised Sequence Labeling with Recurrent Neural Networks", 2012, section 7.5.3;
A. Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs", 2014,
arXiv 1408.2873. For every prefix in the beam, two sums over its paths so far are kept: of those that end with a blank
and of those that end with its last token. What differs: all utterances of a batch are searched at once, with tensors.

A prefix is known by a number of 64 bits, made from its tokens; whether an extended prefix is in the beam already is a
comparison of such numbers. With a beam as wide as the number of prefixes and no pruning, scores are exact.

Shapes: B utterances, T frames, V vocabulary, K prefixes of the beam, k tokens that are looked at in a frame.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sensorium.decoding.alignment import with_frames
from sensorium.decoding.ctc import BLANK, CTCHypothesis
from sensorium.errors import RequestError

_EMPTY = 3202034522624059733  # the empty prefix's number; a small one would be as good as a token's
_NONE, _DEAD, _NO_PARENT = -3, -1, -2  # instead of a prefix's number
_MULTIPLIER = 6364136223846793005  # Knuth's, for 64 bits
_NEVER = -torch.inf


class Scorer(Protocol):
    """Knowledge about tokens besides the audio: see `word_scorer.WordScorer`, which says what each does."""

    def start(self) -> int: ...

    def extend(self, states: list[int], tokens: list[int]) -> list[int]: ...

    def scores(self, states: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float64]: ...

    def end(self, state: int) -> tuple[float, int]: ...


@torch.no_grad()
def beam_search(
    log_probs: Tensor,
    lengths: Tensor,
    *,
    beam_size: int,
    n_best: int = 1,
    scorer: Scorer | None = None,
    top_tokens: int = 40,
    threshold: float = -10.0,
) -> list[list[CTCHypothesis]]:
    """The n best hypotheses of each utterance that the beam holds, best first.

    log_probs: (B, T, V). lengths: (B,) frames. scorer: adds scores for tokens and ends. Only the top_tokens most
    probable tokens of a frame with at least `threshold` log probability begin there; minus infinity keeps all.

    When the scorer lets no hypothesis end, the words that are not finished are taken off. Raises RequestError for
    numbers out of range.
    """
    if not 1 <= n_best <= beam_size:
        raise RequestError(
            f"{n_best} hypotheses from a beam of {beam_size}: give at least 1, and no more than the beam."
        )
    frames, counts = log_probs.detach().cpu(), lengths.tolist()
    probs = _end_with_blanks(frames.double(), lengths.cpu())
    values, tokens = probs[..., BLANK + 1 :].topk(min(top_tokens, probs.shape[2] - 1), dim=2)
    tokens += BLANK + 1
    values.masked_fill_(values < threshold, _NEVER)
    widths = values.isfinite().sum(dim=2).amax(dim=0).tolist()
    beam = _Beam(len(probs), beam_size, scorer)
    for frame, width in enumerate(widths):
        beam.advance(probs[:, frame], tokens[:, frame, :width], values[:, frame, :width])
    found = beam.results(n_best)
    return [
        [with_frames(one, score, frames[row, : counts[row]]) for one, score in hypotheses]
        for row, hypotheses in enumerate(found)
    ]


def _end_with_blanks(probs: Tensor, lengths: Tensor) -> Tensor:
    """Behind its end an utterance has blanks with probability 1, which change nothing."""
    behind = torch.arange(probs.shape[1]) >= lengths[:, None]
    probs = probs.masked_fill(behind[..., None], _NEVER)
    probs[..., BLANK].masked_fill_(behind, 0.0)
    return probs


class _Beam:
    """The prefixes of each utterance, (B, K) in every tensor.

    prefix, parent: numbers of the prefix, and of it without its last token. last: that token. blank, token: log
    probability of its paths that end with a blank, with that token. added: from the scorer. Where fewer than K prefixes
    are possible, the others have probability 0 and the number of none.
    """

    def __init__(self, utterances: int, size: int, scorer: Scorer | None) -> None:
        shape = (utterances, size)
        self.scorer = scorer
        self.prefix, self.parent = torch.full(shape, _DEAD), torch.full(shape, _NO_PARENT)
        self.prefix[:, 0], self.parent[:, 0] = _EMPTY, _NONE
        self.last = torch.full(shape, BLANK)
        self.blank, self.token = torch.full((2, *shape), _NEVER, dtype=torch.float64).unbind()
        self.blank[:, 0] = 0.0
        self.added = torch.zeros(shape, dtype=torch.float64)
        self.states = torch.full(shape, scorer.start() if scorer else 0)
        self.steps: list[tuple[Tensor, Tensor]] = []  # of each frame: which prefixes went on, and with which token

    def advance(self, probs: Tensor, tokens: Tensor, values: Tensor) -> None:
        """One frame. probs: (B, V). tokens: (B, k) that may begin, and their log probabilities, values."""
        total = torch.logaddexp(self.blank, self.token)
        again = probs.gather(1, self.last)  # of the last token, once more; a blank after the empty prefix, see below
        match = self.parent[:, :, None] == self.prefix[:, None, :]  # (B, K, K) whose parent is in the beam too
        inside, parents = match.any(dim=2), match.byte().argmax(dim=2)
        doubled = self.last.gather(1, parents) == self.last
        coming = torch.where(doubled, self.blank.gather(1, parents), total.gather(1, parents)) + again
        # The empty prefix has no path that ends with a token, and stays without: minus infinity plus anything.
        token = torch.logaddexp(self.token + again, coming.masked_fill(~inside, _NEVER))
        blank = total + probs[:, BLANK, None]
        if not values.shape[1]:
            self.blank, self.token = blank, token
            return

        same = self.last[:, :, None] == tokens[:, None, :]  # (B, K, k) the token is the prefix's last one
        longer = torch.where(same, self.blank[:, :, None], total[:, :, None]) + values[:, None, :]
        known = torch.bmm(match.float().transpose(1, 2), same.float())  # the longer prefix is in the beam already
        longer.masked_fill_(known > 0, _NEVER)
        added = self.added[:, :, None]
        if self.scorer is not None:
            added = added + torch.from_numpy(self.scorer.scores(self.states.numpy(), tokens.numpy()))
        staying = torch.logaddexp(blank, token) + self.added
        self._select(staying, blank, token, longer, added.expand_as(longer), tokens)

    def _select(
        self, staying: Tensor, blank: Tensor, token: Tensor, longer: Tensor, added: Tensor, tokens: Tensor
    ) -> None:
        """The K best of the prefixes as they are (B, K) and those that are one token longer (B, K, k)."""
        size, width = longer.shape[1:]
        scores = torch.cat([staying, (longer + added).flatten(1)], dim=1)
        best, chosen = scores.topk(size, dim=1)
        stays, new = chosen < size, (chosen - size).clamp_min(0)
        origin = torch.where(stays, chosen, new // width)
        written = tokens.gather(1, new % width).masked_fill(stays, BLANK)
        dead = best == _NEVER
        self.steps.append((origin, written))

        before = self.prefix.gather(1, origin)
        self.parent = torch.where(stays, self.parent.gather(1, origin), before).masked_fill_(dead, _NO_PARENT)
        self.prefix = torch.where(stays, before, _number(before, written)).masked_fill_(dead, _DEAD)
        self.last = torch.where(stays, self.last.gather(1, origin), written)
        self.blank = blank.gather(1, origin).masked_fill_(~stays | dead, _NEVER)
        self.token = torch.where(stays, token.gather(1, origin), longer.flatten(1).gather(1, new))
        self.token.masked_fill_(dead, _NEVER)
        if self.scorer is None:
            return
        self.added = torch.where(stays, self.added.gather(1, origin), added.flatten(1).gather(1, new))
        self.added.masked_fill_(dead, 0.0)
        self.states = self.states.gather(1, origin)
        going = ~(stays | dead)
        extended = self.scorer.extend(self.states[going].tolist(), written[going].tolist())
        self.states[going] = torch.tensor(extended, dtype=torch.long)

    def results(self, n_best: int) -> list[list[tuple[list[int], float]]]:
        """The tokens and scores of the n best prefixes of each utterance, the scorer's word about ends included."""
        scores = torch.logaddexp(self.blank, self.token) + self.added
        if self.scorer is None:
            best, places = scores.topk(n_best, dim=1)
            return [
                _best(rows, values, n_best) for rows, values in zip(self._tokens(places), best.tolist(), strict=True)
            ]
        found = []
        everything = self._tokens(torch.arange(scores.shape[1]).expand_as(scores))
        for rows, values, states in zip(everything, scores.tolist(), self.states.tolist(), strict=True):
            ends = [self.scorer.end(state) for state in states]
            rows = [tokens[: len(tokens) - surplus] for tokens, (_, surplus) in zip(rows, ends, strict=True)]
            ended = [value + score for value, (score, _) in zip(values, ends, strict=True)]
            found.append(_best(rows, ended if max(ended) > _NEVER else values, n_best))
        return found

    def _tokens(self, places: Tensor) -> list[list[list[int]]]:
        """The tokens of the prefixes at places (B, n), followed back from the last frame."""
        written = []
        for origin, token in reversed(self.steps):
            written.append(token.gather(1, places))
            places = origin.gather(1, places)
        if not written:
            return [[[] for _ in row] for row in places.tolist()]
        rows = torch.stack(written[::-1], dim=2).tolist()
        return [[[token for token in path if token != BLANK] for path in row] for row in rows]


def _best(rows: list[list[int]], scores: list[float], n_best: int) -> list[tuple[list[int], float]]:
    """The n best rows of tokens; what is the same now, after tokens have been taken off, is added up."""
    found: dict[tuple[int, ...], float] = {}
    for tokens, score in zip(map(tuple, rows), scores, strict=True):
        if score > _NEVER:
            found[tokens] = float(np.logaddexp(found.get(tokens, _NEVER), score))
    best = sorted(found.items(), key=lambda item: -item[1])[:n_best]
    return [(list(tokens), score) for tokens, score in best]


def _number(prefix: Tensor, token: Tensor) -> Tensor:
    """Of the prefix with one more token; arithmetic of 64 bits that wraps around."""
    mixed = (prefix ^ token) * _MULTIPLIER
    return mixed ^ (mixed >> 29)
