"""Raw texts as batches of about one length."""

from collections.abc import Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

READ_AHEAD = 20  # batches of texts that are sorted by length together


def padded(sequences: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids -> (B, T) int64 filled up with pad_id, and lengths (B,)."""
    lengths = torch.tensor([len(ids) for ids in sequences])
    batch = torch.full((len(sequences), int(lengths.max())), pad_id)
    for row, ids in enumerate(sequences):
        batch[row, : len(ids)] = torch.tensor(ids)
    return batch, lengths


def groups(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """`size` texts at a time."""
    iterator = iter(texts)
    while group := list(islice(iterator, size)):
        yield group


def by_length(tokens: list[list[int]], batch_size: int, rows: list[int] | None = None) -> Iterator[list[int]]:
    """Row numbers in batches of about one length."""
    chosen = range(len(tokens)) if rows is None else rows
    ordered = sorted(chosen, key=lambda row: len(tokens[row]))
    for start in range(0, len(ordered), batch_size):
        yield ordered[start : start + batch_size]
