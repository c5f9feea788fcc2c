"""NT-Xent against its definition, term by term."""

import math

import pytest
import torch

from sensorium.losses.contrastive import nt_xent


def test_two_examples_by_hand() -> None:
    """Views along the axes: each one's cosines are 1 with its partner, 0 with both others."""
    views = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    expected = -math.log(math.exp(2) / (math.exp(2) + 2))
    assert nt_xent(views, 5 * views, temperature=0.5).item() == pytest.approx(expected, rel=1e-6)


def test_against_the_sum_over_all_pairs() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(4, 6), torch.randn(4, 6)
    z = [*first, *second]

    def similar(i: int, j: int) -> float:
        return math.exp(torch.cosine_similarity(z[i], z[j], dim=0).item() / 0.3)

    terms = []
    for i in range(8):
        j = (i + 4) % 8
        terms.append(-math.log(similar(i, j) / sum(similar(i, k) for k in range(8) if k != i)))
    assert nt_xent(first, second, temperature=0.3).item() == pytest.approx(sum(terms) / 8, rel=1e-5)
