"""Contrastive loss (NT-Xent): two views of an example are closer to each other than to any other view."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Normalised temperature-scaled cross-entropy (Chen et al. 2020, arXiv 2002.05709, equation 1), scalar.

    first, second: (B, F) vectors of the two views of each example, of any length. For each of the 2 B views, the others
    are choices, weighed by exp(cosine / temperature), and its partner is the right one. B is at least 2.
    """
    views = F.normalize(torch.cat([first, second]).float(), dim=1)
    with torch.autocast(views.device.type, enabled=False):  # near cosines differ in their last digits
        alike = views @ views.T / temperature
    alike.fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    return F.cross_entropy(alike, partner)
