"""Beam search for every autoregressive model.

The score of a hypothesis is its log probability over ((5 + length) / 6) ** alpha (Y. Wu et al. 2016, arXiv 1609.08144,
equation 14, without its coverage term); the length counts the end token. All sentences of a batch are searched at
once, and what is found for one does not depend on the others. Each step takes the 2k best continuations of a
sentence's k hypotheses. End tokens among the best k finish a hypothesis, and the k best others go on. A sentence is
done when k hypotheses have finished, or when no unfinished one can still reach the n best; it then leaves the batch.
At the maximum length only the end token is allowed. With a beam as wide as the number of sequences this is exact.

Shapes: B sentences, R of them not done, k hypotheses each, N = R * k, V vocabulary, T tokens so far.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from sensorium.errors import RequestError

Tensors = tuple[Tensor, ...]
BLOCK = 128  # tokens whose maximum is looked at before the tokens themselves


class Stepper(Protocol):
    """What a model needs for decoding."""

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Logits (N, V) for the token after each of tokens (N,), and the new state, tensors (N, ...).

        memory: tensors (R, ...), never changed. N is a multiple of R: the first N / R tokens belong to the first row of
        memory, the next to the second, and so on. The logits are the caller's to overwrite.
        """


class Hypothesis(NamedTuple):
    """tokens: without begin and end. log_probability: natural, of the tokens and the end. score: it, normalized."""

    tokens: list[int]
    score: float
    log_probability: float


@torch.no_grad()
def beam_search(
    model: Stepper,
    memory: Tensors,
    state: Tensors,
    *,
    bos: int,
    eos: int,
    pad: int,
    beam_size: int,
    max_length: int | Tensor,
    length_penalty: float = 0.0,
    no_repeat_ngram: int = 0,
    n_best: int = 1,
) -> list[list[Hypothesis]]:
    """The n best hypotheses of each sentence, best first.

    memory, state: as `encode` returned them, for B sentences; the model is in evaluation mode. beam_size: hypotheses
    that go on at once. max_length: tokens without the end, one number or (B,). length_penalty: alpha; 0 compares log
    probabilities, 1 nearly their mean over tokens. no_repeat_ngram: n tokens in a row never come twice; 0 allows it.
    n_best: how many hypotheses are returned, if that many finish. bos and pad are never written.

    Raises RequestError for numbers out of range.
    """
    _check(beam_size, length_penalty, no_repeat_ngram, n_best)
    search = _Search(_limits(max_length, memory), beam_size, length_penalty, n_best)
    tokens = torch.full((len(memory[0]),), bos, device=memory[0].device)
    while len(search.sentences):
        logits, state = model.step(tokens, memory, state)
        scores = _log_probabilities(logits, banned=[bos, pad])
        _forbid_repeats(scores, search.history, no_repeat_ngram)
        tokens, rows, stay = search.advance(scores, eos)
        if stay is not None:
            memory = tuple(part.index_select(0, stay) for part in memory)
        state = tuple(part.index_select(0, rows) for part in state)
    return search.results()


class _Search:
    """The hypotheses of the sentences that are not done, and those that have finished.

    limits: (B,) the maximum length of each sentence.
    """

    def __init__(self, limits: Tensor, beam_size: int, alpha: float, n_best: int) -> None:
        device = limits.device
        self.beam_size, self.alpha, self.n_best = beam_size, alpha, n_best
        self.finished: list[list[Hypothesis]] = [[] for _ in limits]
        self.sentences = torch.arange(len(limits), device=device)  # (R,) their places in the batch
        self.limits = limits  # (R,)
        self.scores = torch.zeros(
            len(limits), 1, device=device
        )  # (R, k) log probabilities; k is 1 before the first step
        self.history = torch.empty(len(limits), 1, 0, dtype=torch.long, device=device)  # (R, k, T)
        self.count = torch.zeros(len(limits), dtype=torch.long, device=device)  # (R,) finished hypotheses
        self.best = torch.full((len(limits), n_best), -torch.inf, device=device)  # (R, n) scores of finished ones

    def advance(self, scores: Tensor, eos: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """One step, from log probabilities (N, V) of the next token, which may be overwritten.

        Returns the tokens (N',) to read next, the rows (N',) they follow, and the places (R',) of the sentences that
        stay, or None when all do.
        """
        width, length = self.scores.shape[1], self.history.shape[2]
        ending = self.limits == length
        if ending.any():
            _force(scores, ending.repeat_interleave(width), eos)
        values, parents, tokens = best_continuations(scores, self.scores, 2 * self.beam_size)
        ended = tokens == eos
        self._finish(values, parents, ended, self._penalty(length + 1))

        self.scores, order = values.masked_fill(ended, -torch.inf).topk(min(self.beam_size, values.shape[1]))  # (R, k)
        parents, tokens = parents.gather(1, order), tokens.gather(1, order)
        reachable = self.scores[:, 0] / self._penalty(self.limits + 1)  # log probabilities only fall
        going = (self.count < self.beam_size) & (reachable > self.best[:, -1])
        rows = parents + width * torch.arange(len(parents), device=parents.device)[:, None]
        stay = None
        if not going.all():
            stay = going.nonzero().squeeze(1)
            tokens, parents, rows = tokens[stay], parents[stay], rows[stay]
            for name in ("sentences", "limits", "scores", "history", "count", "best"):
                setattr(self, name, getattr(self, name)[stay])
        earlier = self.history.gather(1, parents[..., None].expand(-1, -1, length))
        self.history = torch.cat([earlier, tokens[..., None]], dim=2)
        return tokens.flatten(), rows.flatten(), stay

    def results(self) -> list[list[Hypothesis]]:
        """The n best of each sentence, best first."""
        return [sorted(found, key=lambda one: -one.score)[: self.n_best] for found in self.finished]

    def _finish(self, values: Tensor, parents: Tensor, ended: Tensor, penalty: float | Tensor) -> None:
        """Writes down what ended among the best k continuations (R, k)."""
        k = self.beam_size
        ended = ended[:, :k] & values[:, :k].isfinite()
        if not ended.any():
            return
        scores = (values[:, :k] / penalty).masked_fill(~ended, -torch.inf)
        self.best = torch.cat([self.best, scores], dim=1).topk(self.n_best).values
        self.count = self.count + ended.sum(dim=1)
        rows, ranks = ended.nonzero().unbind(1)
        columns = (
            self.sentences[rows], self.history[rows, parents[rows, ranks]], scores[rows, ranks], values[rows, ranks]
        )  # fmt: skip
        for sentence, *found in zip(*(column.tolist() for column in columns), strict=True):
            self.finished[sentence].append(Hypothesis(*found))

    def _penalty(self, length: int | Tensor) -> float | Tensor:
        return ((5 + length) / 6) ** self.alpha


def best_continuations(scores: Tensor, so_far: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` best sums of a hypothesis' log probability and that of a next token, best first, for each sentence.

    scores: (R * k, V); so_far: (R, k). Returns sums, hypotheses (0 to k - 1) and tokens, each (R, count), or
    (R, k * V) where that is less. Sorting k * V numbers is slow, so the maxima of blocks of tokens come first: the best
    `count` tokens are in the `count` blocks with the greatest maxima.
    """
    (sentences, width), vocabulary = so_far.shape, scores.shape[1]
    count = min(count, width * vocabulary)
    whole = vocabulary // BLOCK
    if whole * width < 2 * count:
        values, found = (scores.view(sentences, width, -1) + so_far[..., None]).flatten(1).topk(count)
        return values, found // vocabulary, found % vocabulary
    maxima = scores[:, : whole * BLOCK].unflatten(1, (whole, BLOCK)).amax(dim=2)
    if vocabulary % BLOCK:
        maxima = torch.cat([maxima, scores[:, whole * BLOCK :].amax(dim=1, keepdim=True)], dim=1)
    blocks = maxima.shape[1]
    maxima = maxima.view(sentences, width, blocks) + so_far[..., None]
    chosen = maxima.flatten(1).topk(count).indices  # (R, count)
    parents, starts = chosen // blocks, chosen % blocks * BLOCK
    inside = starts[..., None] + torch.arange(BLOCK, device=scores.device)  # (R, count, BLOCK) tokens
    rows = parents + width * torch.arange(sentences, device=scores.device)[:, None]
    values = scores.flatten()[rows[..., None] * vocabulary + inside.clamp_max(vocabulary - 1)]
    values = values + so_far.gather(1, parents)[..., None]
    values, found = values.masked_fill_(inside >= vocabulary, -torch.inf).flatten(1).topk(count)
    return values, parents.gather(1, found // BLOCK), inside.flatten(1).gather(1, found)


def _log_probabilities(logits: Tensor, banned: list[int]) -> Tensor:
    """(N, V) in single precision, minus infinity for tokens that are never written."""
    scores = logits.float()
    if scores.device.type == "cpu":  # in place: without 6 MB of fresh memory a step, a sixth of all time is saved
        torch.log_softmax(scores, 1, out=scores)
    else:
        scores = scores.log_softmax(dim=1)
    for token in banned:
        scores[:, token] = -torch.inf
    return scores


def _force(scores: Tensor, rows: Tensor, eos: int) -> None:
    """Leaves only the end token in some rows (N,) of scores (N, V)."""
    ends = scores[:, eos].clone()
    scores.masked_fill_(rows[:, None], -torch.inf)
    scores[:, eos] = ends


def _forbid_repeats(scores: Tensor, history: Tensor, n: int) -> None:
    """Forbids tokens in scores (N, V) that would write n tokens in a row for the second time. history: (R, k, T)."""
    if n == 0 or history.shape[2] < n:
        return
    written = history.flatten(0, 1)  # (N, T)
    windows = written.unfold(1, n, 1)  # (N, T - n + 1, n)
    repeated = (windows[..., :-1] == written[:, None, written.shape[1] - n + 1 :]).all(dim=2)
    bans = torch.where(repeated, -torch.inf, torch.inf).to(scores)
    scores.scatter_reduce_(1, windows[..., -1], bans, "amin")


def _limits(max_length: int | Tensor, memory: Tensors) -> Tensor:
    """(B,) int64. Raises RequestError for a length below 1."""
    limits = torch.as_tensor(max_length, device=memory[0].device).long().expand(len(memory[0]))
    if len(limits) and int(limits.min()) < 1:
        raise RequestError(f"max_length is at least 1 token, not {int(limits.min())}.")
    return limits


def _check(beam_size: int, length_penalty: float, no_repeat_ngram: int, n_best: int) -> None:
    if not 1 <= n_best <= beam_size:
        raise RequestError(
            f"n_best={n_best} hypotheses need a beam_size of at least as many, from 1; it is {beam_size}."
        )
    if length_penalty < 0:
        raise RequestError(f"length_penalty is 0 or more, not {length_penalty}; more favors longer translations.")
    if no_repeat_ngram < 0:
        raise RequestError(f"no_repeat_ngram is 0 (off) or a number of tokens, not {no_repeat_ngram}.")
