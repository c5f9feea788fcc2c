"""What is explained: one input of a network, and the numbers that the network gives for it.

Nothing here knows images, texts or audio. An input is a tensor of features that can be interpolated (pixel values,
embedded tokens, a spectrogram), divided into segments that are removed and kept whole (patches, words, cells of time
and frequency). Letters: F shape of the features, P shape of a map, S segments, K targets, N rows of a batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

_AT_ONCE = 5_000_000  # bytes of changed inputs that a CPU is given at once
Measure = Callable[[nn.Module, Tensor], Tensor]
"""A network and features (N, *F) -> (N, K), a number for each target."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One input to explain.

    network: in evaluation mode; hooks may be put on it, so it belongs to the explanation alone (`shared_copy`).
    features: (*F) float. baseline: (*F), what stands for "nothing there". segments: (*P) int64, of a shape that
    broadcasts to F: the number from 0 to S-1 of the segment of each place, or -1 for a place that is never removed
    (padding). score: what is attributed, differentiable, such as logits. measure: what curves are drawn of, such as
    probabilities; None for the score. windows: (M, S) bool, segments that are hidden together by occlusion; None for
    each alone. direction: (K,), -1 where the score of the input is below that of the baseline and the fall is
    what is to be explained; None for all 1. batch_size: rows that the network is given at once. dense: whether
    the network answers place by place (boxes, pixels), so that its last maps are the answer itself.
    """

    network: nn.Module
    features: Tensor
    baseline: Tensor
    segments: Tensor
    score: Measure
    measure: Measure | None = None
    windows: Tensor | None = None
    direction: Tensor | None = None
    batch_size: int = 64
    dense: bool = False

    @property
    def count(self) -> int:
        """S."""
        return int(self.segments.max()) + 1

    @property
    def at_once(self) -> int:
        """Rows that the network is given at once: the batch size, or fewer on a CPU, whose caches hold little."""
        if self.features.device.type != "cpu":
            return self.batch_size
        return max(1, min(self.batch_size, _AT_ONCE // max(1, self.features.nbytes)))

    def on(self, network: nn.Module) -> "Subject":
        """The same input of another network."""
        return replace(self, network=network)

    def scores(self, rows: Tensor) -> Tensor:
        """rows: (N, *F); returns (N, K) scores, with gradients where they are on. For one batch."""
        return self.score(self.network, rows)

    @torch.no_grad()
    def scored(self, kept: Tensor) -> Tensor:
        """kept: (N, S) bool, the segments that stay; the others are replaced by the baseline. Returns (N, K) scores."""
        return torch.cat([self.scores(rows) for rows in self._masked(kept)])

    @torch.no_grad()
    def measured(self, kept: Tensor) -> Tensor:
        """The same of the measure."""
        measure = self.measure or self.score
        return torch.cat([measure(self.network, rows) for rows in self._masked(kept)])

    def _masked(self, kept: Tensor) -> Iterator[Tensor]:
        """Features (N, *F) with what is not kept replaced, a batch at a time: memory stays flat."""
        always = torch.ones(len(kept), 1, dtype=torch.bool)  # segment -1
        index = self.segments.flatten().to(kept.device)
        shared = (1,) * (self.features.ndim - self.segments.ndim)
        for chunk in torch.cat([kept, always.to(kept.device)], dim=1).split(self.at_once):
            visible = chunk[:, index].view(-1, *shared, *self.segments.shape).to(self.features.device)
            yield torch.where(visible, self.features, self.baseline)

    def per_place(self, attribution: Tensor) -> Tensor:
        """(K, *F) -> (K, *P): summed over what shares a place, such as the channels of a pixel."""
        shape = self.segments.shape
        extra = attribution.ndim - 1 - len(shape)
        summed = attribution.sum(dim=tuple(range(1, 1 + extra))) if extra else attribution
        axes = [1 + axis for axis, size in enumerate(shape) if size == 1 and summed.shape[1 + axis] != 1]
        return summed.sum(dim=axes, keepdim=True) if axes else summed

    def per_segment(self, maps: Tensor) -> Tensor:
        """(K, *P) -> (K, S): the mean over the places of each segment; 0 for one without places."""
        index, flat = self.segments.flatten(), maps.flatten(1).cpu().double()
        inside = index.cpu() >= 0
        index = index.cpu()[inside]
        sums = torch.zeros(len(flat), self.count, dtype=torch.float64).index_add_(1, index, flat[:, inside])
        return (sums / torch.bincount(index, minlength=self.count).clamp(min=1)).float()

    def importance(self, maps: Tensor) -> Tensor:
        """(K, *P) -> (K, S): what is removed first when a map is tested."""
        values = self.per_segment(maps)
        return values if self.direction is None else values * self.direction[:, None].to(values)

    def spread(self, values: Tensor) -> Tensor:
        """(K, S) -> (K, *P): each place has the value of its segment; 0 where there is none."""
        padded = torch.cat([values, values.new_zeros(len(values), 1)], dim=1)
        return padded[:, self.segments.flatten().to(values.device)].view(len(values), *self.segments.shape)


def grid_segments(height: int, width: int, cells: int = 14) -> Tensor:
    """(height, width) int64: about `cells` by `cells` rectangles, numbered in rows from the top left."""
    down, across = min(cells, height), min(cells, width)
    row = torch.arange(height) * down // height
    column = torch.arange(width) * across // width
    return row[:, None] * across + column[None, :]


def grid_windows(down: int, across: int, radius: int = 1, step: int = 1) -> Tensor:
    """(M, S) bool for a grid of `down` by `across` segments: the squares of side 2 * radius + 1 around segments, cut at
    the edges. step: cells from one square to the next, at most the side, so that every segment is in one.
    """
    rows, columns = torch.arange(down * across) // across, torch.arange(down * across) % across
    near = (rows[:, None] - rows[None, :]).abs() <= radius
    windows = near & ((columns[:, None] - columns[None, :]).abs() <= radius)
    first = min(radius, step - 1)
    centers = torch.isin(rows, _places(first, down, step)) & torch.isin(columns, _places(first, across, step))
    return windows[centers]


def _places(first: int, size: int, step: int) -> Tensor:
    return torch.arange(min(first, size - 1), size, step)
