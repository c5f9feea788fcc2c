"""Raw texts in batches of similar length."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sensorium.data.base import counted
from sensorium.data.text.labeled import cut_note
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import UNK, stripped

READ_AHEAD = 20  # batches of texts that are sorted by length together


class TextEncoder:
    """Texts as the token ids that a model reads, cut to max_length; counts what was cut, and what it does not know.

    tokenizer: what `Tokenizer.to_dict` gave. A text without any token is one unknown token.
    """

    def __init__(self, tokenizer: Mapping[str, Any], max_length: int) -> None:
        self._tokenizer, self._max_length = tokenizer_from_dict(tokenizer), max_length
        self._cut = self._unknown = self._total = self._blank = 0

    def encode(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text."""
        encoded = self._tokenizer.encode_many(texts)
        self._blank += sum(not stripped(text) for text in texts)
        self._cut += sum(len(ids) > self._max_length for ids in encoded)
        kept = [ids[: self._max_length] or [UNK] for ids in encoded]
        for ids in encoded:  # before an empty text, or one that could not be read, is made an unknown token
            self._unknown += ids.count(UNK)
            self._total += len(ids)
        return kept

    def notes(self) -> list[str]:
        """How many texts were cut, and how many are none, which training would refuse; and a warning where most tokens
        are unknown, for predictions then mean little.
        """
        notes = cut_note(self._cut, self._max_length)
        if self._blank:
            notes.append(f"without any text: {counted(self._blank, 'input')}; predictions for them mean nothing")
        if 2 * self._unknown > self._total:
            known = f"{self._unknown:,} of {counted(self._total, 'token')}"
            notes.append(f"unknown to the model: {known}; predictions are unreliable")
        return notes


def padded(sequences: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token ids -> (B, T) int64 padded with pad_id, and lengths (B,)."""
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
