"""Edit distance (insertions, deletions, substitutions) between token rows, for a batch at once.

The table of R. Wagner and M. Fischer, "The String-to-String Correction Problem", 1974, a row at a time. Inside a row,
each cell depends on the one before it: d[j] = min(t[j], d[j - 1] + 1), which is min over k <= j of t[k] + j - k, a
running minimum of t[k] - k. So no cell is visited by Python.
"""

import torch
from torch import Tensor


@torch.no_grad()
def edit_distances(a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor) -> Tensor:
    """Levenshtein's distance of each row of a to that row of b, (B,) int64.

    a: (B, U) and b: (B, W) token numbers, of which a_lengths and b_lengths (B,) count. What stands behind those
    does not matter.
    """
    if a.shape[1] > b.shape[1]:  # the fewer rows of the table, the better; the distance is the same
        a, a_lengths, b, b_lengths = b, b_lengths, a, a_lengths
    places = torch.arange(b.shape[1] + 1, device=b.device, dtype=torch.int32)
    column, a_lengths = b_lengths.to(b.device)[:, None], a_lengths.to(b.device)
    row = places.expand(len(b), -1)  # from an empty a: so many insertions
    result = row.gather(1, column).squeeze(1)
    for place in range(a.shape[1]):
        replaced = row[:, :-1] + (a[:, place, None] != b)
        deleted = row + 1
        best = torch.cat([deleted[:, :1], torch.minimum(replaced, deleted[:, 1:])], dim=1)
        row = (best - places).cummin(dim=1).values + places
        result = torch.where(a_lengths > place, row.gather(1, column).squeeze(1), result)
    return result.long()
