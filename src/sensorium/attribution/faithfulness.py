"""Numbers that say whether a map of attribution is to be believed.

V. Petsiuk, A. Das, K. Saenko, "RISE", 2018, arXiv 1806.07421, section 4: deletion and insertion curves. J. Adebayo et
al., "Sanity checks for saliency maps", 2018, arXiv 1810.03292. Letters: S segments, K targets, L levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.attribution.subject import Subject

LEVELS = 10  # steps of a curve, each a tenth of the segments
LIKE_RANDOM_WEIGHTS = 0.7  # rank correlation with the map of random weights from which a map shows the input alone


@dataclass(frozen=True, kw_only=True)
class Faithfulness:
    """How much a map is worth; each number for one target of one input.

    deletion: mean of the measure while segments are removed, the most important first; lower is better. insertion:
    while they are put back; higher is better. random_deletion, random_insertion: the means for random maps of the same
    sparsity. better_share: share of the random maps whose insertion minus deletion is below the map's.
    completeness_error: |sum of the attributions - (score - score of the baseline)|, and completeness_relative to the
    latter, for methods that promise 0. random_weights_correlation: Spearman's, with the map of the same network with
    random weights; None where not measured.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    better_share: float
    completeness_error: float | None = None
    completeness_relative: float | None = None
    random_weights_correlation: float | None = None

    @property
    def better_than_random(self) -> bool:
        """Whether it beats 95% of the random maps."""
        return self.better_share >= 0.95

    def warnings(self) -> list[str]:
        """Why not to believe the map, a line each."""
        found = []
        if not self.better_than_random:
            found.append(
                f"no better than random: insertion - deletion is {self.insertion - self.deletion:.3f}, that of random "
                f"maps {self.random_insertion - self.random_deletion:.3f}; it beats {self.better_share:.1%} of them"
            )
        alike = self.random_weights_correlation
        if alike is not None and alike >= LIKE_RANDOM_WEIGHTS:
            found.append(
                f"the map of random weights is alike (rank correlation {alike:.2f}): it shows the input rather than "
                "what the model has learned"
            )
        if self.completeness_relative is not None and self.completeness_relative > 0.05:
            found.append(f"completeness error of {self.completeness_relative:.0%}: increase steps=")
        return found

    def to_dict(self) -> dict[str, float | bool | None]:
        """Every number by name."""
        return {
            "deletion": self.deletion,
            "insertion": self.insertion,
            "random_deletion": self.random_deletion,
            "random_insertion": self.random_insertion,
            "better_share": self.better_share,
            "better_than_random": self.better_than_random,
            "completeness_error": self.completeness_error,
            "completeness_relative": self.completeness_relative,
            "random_weights_correlation": self.random_weights_correlation,
        }


@dataclass(frozen=True)
class Ends:
    """Measures of one input that every curve of it shares: whole (K,) of the input, empty (K,) of the baseline."""

    whole: Tensor
    empty: Tensor


@dataclass(frozen=True)
class RandomCurves:
    """Of R random orders: deletion, insertion (R, K). Shared by the targets and methods of an input."""

    ends: Ends
    deletion: Tensor
    insertion: Tensor


def ends_of(subject: Subject) -> Ends:
    """Two evaluations."""
    kept = torch.tensor([[True], [False]]).expand(2, subject.count)
    whole, empty = subject.measured(kept)
    return Ends(whole, empty)


def levels_of(segments: int) -> list[int]:
    """How many segments are removed at each inner step of a curve; all of 1 to S-1 where there are few."""
    steps = min(LEVELS, segments)
    return sorted({round(segments * level / steps) for level in range(1, steps)} - {0, segments})


def orders(values: Tensor, *, seed: int) -> Tensor:
    """(K, S) -> (K, S) segments by falling importance; ties, such as the zeros of a sparse map, in random order."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(values.shape[1], generator=generator)
    return order[values[:, order].argsort(dim=1, descending=True, stable=True)]


def kept_of(order: Tensor, removed: Sequence[int]) -> Tensor:
    """(S,) segments by importance -> (L, S) bool: what is left when so many of the first are removed."""
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
    return rank[None, :] >= torch.tensor(removed)[:, None]


def area(levels: Sequence[int], values: Tensor, first: Tensor, last: Tensor, segments: int) -> Tensor:
    """Area under curves of values (L, R, K) at `levels` segments, with its ends at 0 and all of them: trapezoids, over
    0 to 1. first, last: (K,).
    """
    places = torch.tensor([0, *levels, segments], dtype=torch.float64) / segments
    ends = [end.expand(values.shape[1:])[None] for end in (first, last)]
    points = torch.cat([ends[0], values, ends[1]]).cpu().double()
    return torch.trapezoid(points, places, dim=0)


def random_curves(subject: Subject, *, maps: int, seed: int) -> RandomCurves:
    """Curves of random maps: with ties broken at random, a shuffled map of any sparsity is a random order.

    Every second order is the one before it from its end, which costs nothing: what it removes first the other inserts
    last, so that its deletion is the other's insertion. Insertion minus deletion is then as often x as -x, and a map
    that means nothing beats all of n/2 pairs with a probability of 1 / (n + 2): of 18, in 5% of the cases.
    """
    generator = torch.Generator().manual_seed(seed)
    random = torch.stack([torch.randperm(subject.count, generator=generator) for _ in range((maps + 1) // 2)])
    ends = ends_of(subject)
    deletion, insertion = _areas(subject, random, ends)
    both = torch.stack([deletion, insertion], dim=1).flatten(0, 1), torch.stack([insertion, deletion], dim=1)
    return RandomCurves(ends, both[0][:maps], both[1].flatten(0, 1)[:maps])


def curves(subject: Subject, values: Tensor, ends: Ends, *, seed: int) -> tuple[Tensor, Tensor]:
    """Deletion and insertion (K,) of the importances (K, S) of the segments, each of its own target."""
    deletion, insertion = _areas(subject, orders(values, seed=seed), ends)
    return deletion.diagonal(), insertion.diagonal()


def _areas(subject: Subject, orders: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
    """Deletion and insertion (R, K) of R orders (R, S) of the segments."""
    levels, count = levels_of(subject.count), subject.count
    kept = torch.stack([kept_of(order, levels) for order in orders])  # (R, L, S)
    rows = torch.stack([kept, ~kept]).flatten(0, 2)
    values = subject.measured(rows) if levels else ends.whole.new_empty(0, len(ends.whole))  # of a single segment: none
    found = values.unflatten(0, (2, *kept.shape[:2]))
    deletion = area(levels, found[0].transpose(0, 1), ends.whole, ends.empty, count)
    insertion = area(levels, found[1].transpose(0, 1), ends.empty, ends.whole, count)
    return deletion, insertion


@torch.no_grad()
def completeness(subject: Subject, maps: Tensor) -> list[tuple[float, float]]:
    """Of each target: |sum of its map (K, *P) - (score - score of the baseline)|, and that relative to the latter."""
    whole, empty = subject.scores(torch.stack([subject.features, subject.baseline])).cpu().double()
    wanted = whole - empty
    errors = (maps.flatten(1).double().sum(dim=1) - wanted).abs()
    relative = errors / wanted.abs().clamp(min=1e-12)
    return list(zip(errors.tolist(), relative.tolist(), strict=True))


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Spearman's, of two maps of one shape; 0 where one is constant."""
    ranks = [_ranks(one.flatten().cpu().double().numpy()) for one in (first, second)]
    if any(np.ptp(one) == 0 for one in ranks):
        return 0.0
    return float(np.corrcoef(np.stack(ranks))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: np.ndarray = (ends - (counts + 1) / 2)[inverse]
    return ranks
