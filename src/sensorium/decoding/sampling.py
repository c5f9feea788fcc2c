"""Sampling of text from a language model."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from sensorium.errors import RequestError, RunError

State = tuple[Tensor, ...]


class NextTokenModel(Protocol):
    """What a model needs for sampling."""

    def __call__(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """tokens: (B, T); returns logits (B, T, V) and the state, to be given back with the tokens that follow."""


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Minus infinity for all but the k greatest logits (..., V); those equal to the smallest of them stay too."""
    if k >= logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(k).values[..., -1:], -torch.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Minus infinity for all but the fewest most probable tokens (..., V) whose probabilities sum to p or more.

    A. Holtzman et al., "The curious case of neural text degeneration", 2020, arXiv 1904.09751 (nucleus sampling).
    """
    probabilities, order = logits.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    enough = probabilities.cumsum(dim=-1) - probabilities >= p  # reached before this token
    enough[..., 0] = False
    return logits.masked_fill(torch.zeros_like(enough).scatter(-1, order, enough), -torch.inf)


def next_distribution(logits: Tensor, *, temperature: float, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Probabilities (..., V) to draw the next token from: temperature first, then the k best, then the best p."""
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / temperature  # no overflow at a low temperature
    if top_k:
        logits = keep_top_k(logits, top_k)
    if top_p < 1:
        logits = keep_top_p(logits, top_p)
    return logits.softmax(dim=-1)


def sample(
    model: NextTokenModel,
    prompt: Tensor,
    *,
    length: int,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    eos: int | None = None,
    banned: Sequence[int] = (),
) -> Iterator[int]:
    """Yields up to `length` tokens that follow the prompt, each as soon as it is drawn; the end token ends it unsaid.

    prompt: (1, T), at least one token. The model is in evaluation mode. temperature: above 1 evens probabilities out,
    below 1 sharpens them, 0 always takes the most probable token. top_k: draw from the k most probable tokens only; 0
    for all. top_p: draw from the fewest tokens that have this much probability together; 1 for all. generator: of the
    CPU, on which tokens are drawn, so that a seed gives the same tokens on every device. eos: the end token, if any.
    banned: tokens that are never drawn.

    Raises RequestError at once for an empty prompt and for numbers out of range.
    """
    if prompt.shape[0] != 1 or not prompt.shape[1]:
        raise RequestError(
            f"A prompt is one row of at least one token, not {tuple(prompt.shape)}.\nGive a longer prompt."
        )
    if length < 0:
        raise RequestError(f"length is 0 or more tokens, not {length}.")
    if temperature < 0:
        raise RequestError(f"temperature is 0 (always the most probable token) or more, not {temperature}.")
    if top_k < 0:
        raise RequestError(f"top_k is 0 (off) or a number of tokens, not {top_k}.")
    if not 0 < top_p <= 1:
        raise RequestError(f"top_p is above 0 and at most 1 (off), not {top_p}.")

    def draw(logits: Tensor) -> int:
        if logits.isnan().any():
            raise RunError("The model's output is not a number (NaN); its weights are damaged.")
        logits = logits.index_fill(0, torch.tensor(banned, dtype=torch.int64), -torch.inf)
        if temperature == 0:
            return int(logits.argmax())
        probabilities = next_distribution(logits, temperature=temperature, top_k=top_k, top_p=top_p)
        return int(torch.multinomial(probabilities, 1, generator=generator))

    return _stream(model, prompt, length, draw, eos)


def _stream(
    model: NextTokenModel, tokens: Tensor, length: int, draw: Callable[[Tensor], int], eos: int | None
) -> Iterator[int]:
    state: State | None = None
    for _ in range(length):
        with torch.no_grad():  # not around the yield: what the caller does meanwhile is not ours
            logits, state = model(tokens, state)
        token = draw(logits[0, -1].float().cpu())
        if token == eos:
            return
        yield token
        tokens = tokens.new_tensor([[token]])
