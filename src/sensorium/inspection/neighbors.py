"""Nearest neighbors of unit vectors: exact in blocks for as many as that is quick for, else inside cells.

N vectors of D dimensions. Cells are an inverted file (Sivic and Zisserman 2003): every vector is compared with those
of the two random centers that are nearest to it.
"""

import numpy as np
import torch

_EXACT = 120_000  # vectors
_BLOCK = 1024


def nearest(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) float32 of length 1 -> rows (N, k) int64 and cosine similarities (N, k) of the others most like each.

    Where there are fewer than k others, rows are -1 and similarities -1.
    """
    count = len(vectors)
    rows = np.full((count, k), -1, dtype=np.int64)
    similar = np.full((count, k), -1.0, dtype=np.float32)
    points = torch.from_numpy(vectors)
    for members in [torch.arange(count)] if count <= _EXACT else _cells(points):
        _search(points, members, rows, similar)
    return rows, similar


def _cells(points: torch.Tensor) -> list[torch.Tensor]:
    centers = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[: round(len(points) ** 0.5)]
    nearest_two = torch.cat([(block @ points[centers].T).topk(2).indices for block in points.split(_BLOCK)])
    cell = nearest_two.T.reshape(-1)
    order = cell.argsort(stable=True)
    sizes = torch.bincount(cell, minlength=len(centers)).tolist()
    return [part % len(points) for part in order.split(sizes)]


def _search(points: torch.Tensor, members: torch.Tensor, rows: np.ndarray, similar: np.ndarray) -> None:
    """Improves rows and similarities by what the members find among themselves."""
    among, k = points[members], rows.shape[1]
    for start in range(0, len(members), _BLOCK):
        own = members[start : start + _BLOCK]
        found = among[start : start + _BLOCK] @ among.T
        found[torch.arange(len(own)), torch.arange(start, start + len(own))] = -2.0
        best = found.topk(min(k, len(members)))
        own_rows = own.numpy()
        ids = np.concatenate([rows[own_rows], members[best.indices].numpy()], axis=1)
        values = np.concatenate([similar[own_rows], best.values.numpy()], axis=1)
        ids[values < -1.5] = -1
        values[_repeated(ids)] = -3.0
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        rows[own_rows] = np.take_along_axis(ids, order, 1)
        similar[own_rows] = np.maximum(np.take_along_axis(values, order, 1), -1.0)


def _repeated(ids: np.ndarray) -> np.ndarray:
    """(B, M) bool: whether the same id is further left in the row."""
    order = np.argsort(ids, axis=1, kind="stable")
    ranked = np.take_along_axis(ids, order, 1)
    again = np.zeros(ids.shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], (ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] >= 0), axis=1)
    return again


def distinct_pairs(rows: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """(P, 2): each row with its neighbors (N, k), those that keep (N, k) says; the lower first, each pair once."""
    own, place = np.nonzero(keep & (rows >= 0))
    pairs = np.sort(np.stack([own, rows[own, place]], axis=1), axis=1)
    return np.unique(pairs, axis=0)
