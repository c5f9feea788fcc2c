"""Raw texts as batches of about one length."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

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


class UnreadableText(NamedTuple):
    """Stands for a text that cannot be read: where it is, such as "reviews.csv:17", and what is wrong with it."""

    place: str
    what: str


def groups(texts: Iterable[str | bytes | UnreadableText], size: int) -> Iterator[list[tuple[str, str | None]]]:
    """`size` texts at a time, each with why it is none (`as_text`)."""
    iterator = iter(texts)
    while group := list(islice(iterator, size)):
        yield [as_text(raw) for raw in group]


def by_length(tokens: list[list[int]], batch_size: int, rows: list[int] | None = None) -> Iterator[list[int]]:
    """Row numbers in batches of about one length."""
    chosen = range(len(tokens)) if rows is None else rows
    ordered = sorted(chosen, key=lambda row: len(tokens[row]))
    for start in range(0, len(ordered), batch_size):
        yield ordered[start : start + batch_size]


def as_text(raw: object) -> tuple[str, str | None]:
    """A raw text as str, and why it is none: str, UTF-8 bytes, or what stands for an unreadable one."""
    if isinstance(raw, str):
        return raw, None
    if isinstance(raw, UnreadableText):
        return raw.place, f"{raw.place}: {raw.what}"
    if not isinstance(raw, bytes):
        return str(raw), f"{raw!r:.60}: a text is str or UTF-8 bytes, not {type(raw).__name__}"
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError as error:
        return raw.decode("utf-8", errors="replace"), f"byte {error.start} of a text is not UTF-8"
