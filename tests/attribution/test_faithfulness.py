"""Curves and correlations by numbers that can be computed by hand, on a network that is a weighted sum."""

import pytest
import torch
from torch import nn

from sensorium.attribution.faithfulness import (
    Faithfulness,
    completeness,
    curves,
    ends_of,
    levels_of,
    orders,
    random_curves,
    rank_correlation,
)
from sensorium.attribution.subject import Subject, grid_segments, grid_windows

WEIGHTS = torch.tensor([4.0, 3.0, 2.0, 1.0])


class Sum(nn.Module):
    """(N, 4) -> (N, 2): a weighted sum, and its opposite."""

    def forward(self, rows):
        total = rows @ WEIGHTS
        return torch.stack([total, -total], dim=1)


def subject(**changes) -> Subject:
    given = {
        "network": Sum(),
        "features": torch.ones(4),
        "baseline": torch.zeros(4),
        "segments": torch.arange(4),
        "score": lambda network, rows: network(rows),
    }
    return Subject(**(given | changes))


def test_the_curves_of_a_weighted_sum():
    """Removed in the order 4, 3, 2, 1 of 10: 10, 6, 3, 1, 0, and inserted 0, 4, 7, 9, 10; trapezoids of width 1/4."""
    one = subject()
    values = torch.stack([WEIGHTS, WEIGHTS])  # for the second target it is the worst order
    deletion, insertion = curves(one, values, ends_of(one), seed=0)
    assert deletion.tolist() == pytest.approx([(5 + 6 + 3 + 1) / 4, -(5 + 6 + 3 + 1) / 4])
    assert insertion.tolist() == pytest.approx([(0 + 4 + 7 + 9 + 5) / 4, -(0 + 4 + 7 + 9 + 5) / 4])


def test_random_maps_lie_between_the_best_and_the_worst_order():
    found = random_curves(subject(batch_size=3), maps=200, seed=0)
    assert found.deletion.shape == found.insertion.shape == (200, 2)
    assert float(found.deletion[:, 0].min()) == pytest.approx(15 / 4)
    assert float(found.deletion[:, 0].max()) == pytest.approx((5 + 9 + 7 + 4) / 4)
    assert float(found.deletion[:, 0].mean()) == pytest.approx(5, abs=0.15)  # each weight is there half of the time
    # What is removed and what is inserted of one order are 10 together at every level.
    assert torch.allclose(found.deletion[:, 0] + found.insertion[:, 0], torch.tensor(10.0, dtype=torch.float64))


def test_every_second_random_map_is_the_one_before_it_from_its_end():
    seen = []

    def measure(network, rows):
        seen.append(len(rows))
        return network(rows) ** 2  # of which deletion and insertion are not one

    found = random_curves(subject(measure=measure), maps=5, seed=0)
    assert found.deletion.shape == (5, 2)
    assert torch.equal(found.deletion[[0, 2]], found.insertion[[1, 3]])
    assert torch.equal(found.insertion[[0, 2]], found.deletion[[1, 3]])
    assert not torch.equal(found.deletion[0], found.insertion[0])
    assert sum(seen) == 2 + 3 * 2 * 3  # the ends, then three orders of three levels


def test_the_order_from_its_end_by_itself():
    """Removed as 0, 1, 2, 3 and, from the end, as 3, 2, 1, 0."""
    one = subject(measure=lambda network, rows: network(rows) ** 2)
    forth, back = (torch.tensor([order, order], dtype=torch.float32) for order in ([4, 3, 2, 1], [1, 2, 3, 4]))
    deletion, insertion = curves(one, forth, ends_of(one), seed=0)
    assert curves(one, back, ends_of(one), seed=0)[1].tolist() == pytest.approx(deletion.tolist())
    assert curves(one, back, ends_of(one), seed=0)[0].tolist() == pytest.approx(insertion.tolist())


def test_the_measure_may_differ_from_the_score():
    one = subject(measure=lambda network, rows: network(rows) / 10)
    assert ends_of(one).whole.tolist() == pytest.approx([1.0, -1.0])
    assert one.scored(torch.ones(1, 4, dtype=torch.bool)).tolist() == [[10.0, -10.0]]


def test_a_place_that_belongs_to_no_segment_is_never_removed():
    one = subject(segments=torch.tensor([0, 0, 1, -1]))
    assert one.count == 2
    assert one.scored(torch.tensor([[False, False], [True, False]]))[:, 0].tolist() == [1.0, 8.0]
    maps = torch.tensor([[1.0, 3.0, 5.0, 100.0]])
    assert one.per_segment(maps).tolist() == [[2.0, 5.0]]
    assert one.spread(torch.tensor([[2.0, 5.0]])).tolist() == [[2.0, 2.0, 5.0, 0.0]]


def test_a_single_segment_has_the_curve_of_its_ends():
    one = subject(segments=torch.zeros(4, dtype=torch.long))
    deletion, insertion = curves(one, torch.ones(2, 1), ends_of(one), seed=0)
    assert (deletion[0].item(), insertion[0].item()) == (5.0, 5.0)


def test_levels():
    assert levels_of(4) == [1, 2, 3]
    assert levels_of(196) == [20, 39, 59, 78, 98, 118, 137, 157, 176]
    assert levels_of(1) == []


def test_equal_values_are_removed_in_random_order():
    sparse = torch.tensor([[0.0, 0, 5, 0, 0, 0, 0, 0, 0, 0]])
    found = {tuple(orders(sparse, seed=seed)[0].tolist()) for seed in range(20)}
    assert all(order[0] == 2 and sorted(order) == list(range(10)) for order in found)
    assert len(found) == 20


def test_completeness():
    """The sum of each map is to be 10 and -10."""
    maps = torch.stack([torch.tensor([4.0, 3, 2, 0.5]), -WEIGHTS])
    assert completeness(subject(), maps) == [(0.5, 0.05), (0.0, 0.0)]


def test_rank_correlation():
    """Spearman's by hand: ranks 0 1 2 3 against 0 1 3 2 differ by 1 twice: 1 - 6 * 2 / (4 * 15) = 0.8."""
    first = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert rank_correlation(first, first**3) == pytest.approx(1.0)
    assert rank_correlation(first, torch.tensor([1.0, 2.0, 9.0, 4.0])) == pytest.approx(0.8)
    assert rank_correlation(first, -first) == pytest.approx(-1.0)
    assert rank_correlation(first, torch.ones(4)) == 0.0
    tied = torch.tensor([0.0, 0.0, 1.0, 1.0])  # ranks 0.5 0.5 2.5 2.5
    assert rank_correlation(first, tied) == pytest.approx(2 / 5**0.5)


def faithfulness(**changes) -> Faithfulness:
    given = {
        "deletion": 0.1,
        "insertion": 0.8,
        "random_deletion": 0.4,
        "random_insertion": 0.4,
        "better_share": 1.0,
        "random_weights_correlation": 0.1,
    }
    return Faithfulness(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"better_share": 18 / 19}, "no better than random: insertion - deletion is 0.700, that of random maps 0.000"),
        ({"random_weights_correlation": 0.9}, "the map of random weights is alike (rank correlation 0.90)"),
        ({"completeness_error": 1.0, "completeness_relative": 0.2}, "completeness error of 20%: increase steps="),
    ],
)
def test_warnings(changes, said):
    assert faithfulness().warnings() == []
    (line,) = faithfulness(**changes).warnings()
    assert line.startswith(said)


def test_grids():
    assert grid_segments(2, 4, cells=2).tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert grid_segments(28, 28).unique().numel() == 196
    assert grid_windows(3, 3)[4].all()  # the middle one hides all nine
    assert grid_windows(3, 3)[0].nonzero().flatten().tolist() == [0, 1, 3, 4]
    apart = grid_windows(4, 5, step=2)  # around rows 1 and 3, columns 1 and 3
    assert len(apart) == 4
    assert apart[1].nonzero().flatten().tolist() == [2, 3, 4, 7, 8, 9, 12, 13, 14]
    for down, across in ((14, 14), (7, 5), (1, 3), (2, 1)):
        assert grid_windows(down, across, step=2).any(dim=0).all()  # every cell is hidden by one
