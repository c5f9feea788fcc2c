"""Augmentation of a batch of texts: tokens dropped, swapped, or made unknown, with random numbers per text.

Word dropout and swaps as in Wei and Zou, "EDA: easy data augmentation techniques for boosting performance on text
classification tasks", 2019, arXiv 1901.11196; a masked stretch is SpecAugment's idea for tokens.

Every transform takes equally many numbers for a text whatever batch it is in: where it needs one for each token, it
draws a key, and the numbers follow from the key (`_numbers`).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom
from sensorium.text.tokenizer import PAD, UNK

Texts = tuple[Tensor, Tensor]


class TextAugment(nn.Module):
    """Transforms of texts, in order.

    transforms: modules forward(tokens, lengths, random) -> (tokens, lengths), by name or in a list; a name set to None
    is omitted. They keep PAD past the end of each text, and at least one token of it.
    """

    def __init__(self, *, transforms: Mapping[str, nn.Module | None] | Sequence[nn.Module]) -> None:
        super().__init__()
        named = transforms if isinstance(transforms, Mapping) else {str(i): t for i, t in enumerate(transforms)}
        self.transforms = nn.ModuleDict({name: module for name, module in named.items() if module is not None})

    takes = "texts"  # what it is for

    @property
    def active(self) -> bool:
        """Whether it changes anything."""
        return len(self.transforms) > 0

    def prepared(
        self, inputs: tuple[Tensor, ...], targets: Tensor, random: ExampleRandom, prepare: nn.Module
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Tokens (B, T) and lengths (B,), changed; targets are unchanged."""
        tokens, lengths = inputs
        for transform in self.transforms.values():
            tokens, lengths = transform(tokens, lengths, random)
        return prepare(tokens, lengths), targets


class TokenDropout(nn.Module):
    """Leaves out each token at random; what follows closes up. share: of the tokens, 0 to below 1."""

    def __init__(self, *, share: float) -> None:
        super().__init__()
        self.share = _share(share)

    def forward(self, tokens: Tensor, lengths: Tensor, random: ExampleRandom) -> Texts:
        inside = _valid(lengths, tokens.shape[1])
        numbers = _numbers(random, tokens.shape[1])
        # The largest number stays in any case: a text never vanishes.
        largest = numbers.masked_fill(~inside, -1.0).argmax(1, keepdim=True)
        kept = inside & ((numbers >= self.share) | (torch.arange(tokens.shape[1], device=tokens.device) == largest))
        order = (~kept).to(torch.uint8).argsort(dim=1, stable=True)
        shorter = kept.sum(1)
        closed = tokens.gather(1, order)
        return closed.masked_fill(~_valid(shorter, tokens.shape[1]), PAD), shorter


class TokenSwap(nn.Module):
    """Exchanges neighbors at random. share: of the pairs of neighbors, 0 to below 1."""

    def __init__(self, *, share: float) -> None:
        super().__init__()
        self.share = _share(share)

    def forward(self, tokens: Tensor, lengths: Tensor, random: ExampleRandom) -> Texts:
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        first = (random.uniform() < 0.5).long()  # pairs begin at an even or at an odd place
        left = steps - (steps + first) % 2  # (B, T), the left place of each place's pair
        inside = (left >= 0) & (left + 1 < lengths[:, None])
        chosen = _numbers(random, tokens.shape[1] + 1).gather(1, (left + 1).clamp(min=0)) < self.share
        partner = torch.where(inside & chosen, 2 * left + 1 - steps, steps)
        return tokens.gather(1, partner), lengths


class TokenMask(nn.Module):
    """Makes one segment of each text unknown.

    share: most of a text that it covers, 0 to below 1; any length up to it is equally likely.
    """

    def __init__(self, *, share: float) -> None:
        super().__init__()
        self.share = _share(share)

    def forward(self, tokens: Tensor, lengths: Tensor, random: ExampleRandom) -> Texts:
        size, place = random.uniform(2).unbind(1)
        width = (size * ((self.share * lengths).floor() + 1)).long()
        start = (place * (lengths - width + 1)).long()
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        masked = (steps >= start[:, None]) & (steps < (start + width)[:, None])
        return tokens.masked_fill(masked & _valid(lengths, tokens.shape[1]), UNK), lengths


def _valid(lengths: Tensor, time: int) -> Tensor:
    """(B, time) bool: which places are not padding."""
    return torch.arange(time, device=lengths.device) < lengths[:, None]


def _numbers(random: ExampleRandom, count: int) -> Tensor:
    """(B, count) in [0, 1), of which the first ones do not depend on the count."""
    high, low = (random.uniform(2) * 2**24).long().unbind(1)
    return ExampleRandom(seed=0, epoch=0, indices=(high << 24) + low).uniform(count)


def _share(value: float) -> float:
    if not 0 <= value < 1:
        raise RequestError(f"share is {value}: give a share from 0 to below 1, such as 0.1.")
    return value
