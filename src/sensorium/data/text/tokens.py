"""Texts as token numbers in one flat array, in memory when small, else memory-mapped from SENSORIUM_CACHE/text."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import BinaryIO, Self

import numpy as np

from sensorium.data import spill
from sensorium.data.cache import key_of
from sensorium.data.columns import Columns
from sensorium.data.text.texts import TEXTS, Texts
from sensorium.text.build_tokenizer import tokenizer_from_dict, train_tokenizer
from sensorium.text.tokenizer import PAD, UNK, Tokenizer, TokenizerKind

_FORMAT = 2
_LIMIT = 1 << 34  # bytes of all entries together


@dataclass(frozen=True)
class TokenStore(Columns):
    """N sequences. Several threads may read at once.

    flat: token numbers, uint16 or int32. starts, lengths: (N,) int64, where each sequence lies in it. full: (N,) int64,
    the lengths they had before they were cut.
    """

    constants = ("flat",)

    flat: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    full: np.ndarray

    @property
    def cut(self) -> int:
        """How many sequences were longer than they could be."""
        return int((self.full > self.lengths).sum())

    def gather(self, rows: np.ndarray, max_length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """These rows (B,), cut to max_length, as (B, T) int64 padded with PAD, and their lengths (B,) int64."""
        lengths = self.lengths[rows] if max_length is None else np.minimum(self.lengths[rows], max_length)
        padded = np.full((len(rows), int(lengths.max(initial=0))), PAD, dtype=np.int64)
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(self.starts[rows] - (ends - lengths), lengths) + np.arange(total)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = self.flat[places]
        return padded, lengths

    def joined(self, others: Sequence[Self]) -> Self:
        """This one's sequences, then those of the others; over one array when all are, else over a copy in memory."""
        stores = [self, *others]
        if all(store.flat is self.flat for store in others):
            return super().joined(others)
        flat = np.concatenate([store.flat for store in stores])
        shifts = np.cumsum([0, *(len(store.flat) for store in stores[:-1])]).tolist()
        first, *rest = [
            replace(store, flat=flat, starts=store.starts + shift) for store, shift in zip(stores, shifts, strict=True)
        ]
        return first.joined(rest)

    def unknown_share(self) -> float:
        """Share of UNK among all tokens."""
        unknown = total = 0
        for start in range(0, len(self), 1024):
            padded, lengths = self.gather(np.arange(start, min(start + 1024, len(self))))
            unknown, total = unknown + int((padded == UNK).sum()), total + int(lengths.sum())
        return unknown / max(1, total)


def encode_texts(
    texts: Texts, tokenizer: Tokenizer, *, max_length: int | None = None, never_empty: bool = False
) -> TokenStore:
    """The tokens of each text, a chunk of texts at a time, so that neither texts nor tokens need fit into memory.

    max_length: longer ones are cut. never_empty: a text without a token, such as white space, becomes one UNK.

    Raises RunError when the cache cannot be written.
    """
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.int32)

    def chunks() -> Iterator[tuple[np.ndarray, list[int]]]:
        for chunk in texts.chunks():
            sequences = tokenizer.encode_many(chunk)
            full = [len(sequence) for sequence in sequences]
            kept = [sequence[:max_length] or ([UNK] if never_empty else []) for sequence in sequences]
            yield np.array([number for sequence in kept for number in sequence], dtype=dtype), full

    if texts.sizes.sum() < spill.IN_MEMORY:
        arrays, lengths = [np.empty(0, dtype)], []
        for ids, full in chunks():
            arrays.append(ids)
            lengths += full
        flat, full_lengths = np.concatenate(arrays), np.array(lengths, dtype=np.int64)
    else:

        def build(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
            lengths = []
            for ids, full in chunks():
                file.write(ids.tobytes())
                lengths.append(np.array(full, dtype=np.int64))
            return {"full": np.concatenate(lengths)}

        settings = [_FORMAT, texts.digest(), tokenizer.to_dict(), max_length, never_empty]
        entry = TEXTS.entry(key_of(settings), build, limit=_LIMIT)
        flat, full_lengths = entry.rows.view(dtype), entry.facts["full"]
    lengths_kept = np.clip(full_lengths, int(never_empty), max_length)
    return TokenStore(flat, np.cumsum(lengths_kept) - lengths_kept, lengths_kept, full_lengths)


def learn_tokenizer(
    kind: TokenizerKind, texts: Sequence[Texts], *, vocab_size: int, min_count: int, lowercase: bool
) -> Tokenizer:
    """`train_tokenizer` of all these texts. What many of them gave is kept for later runs, since it takes minutes.

    Raises RunError when the cache cannot be written, and RequestError as `train_tokenizer` does.
    """

    def train() -> Tokenizer:
        every = chain.from_iterable(texts)
        return train_tokenizer(kind, every, vocab_size=vocab_size, min_count=min_count, lowercase=lowercase)

    def build(file: BinaryIO, _: int) -> dict[str, np.ndarray]:
        file.write(json.dumps(train().to_dict()).encode())
        return {}

    if sum(int(part.sizes.sum()) for part in texts) < spill.IN_MEMORY:
        return train()
    settings = [kind, vocab_size, min_count, lowercase]
    key = key_of([_FORMAT, "tokenizer", settings, *(part.digest() for part in texts)])
    return tokenizer_from_dict(json.loads(TEXTS.entry(key, build, limit=_LIMIT).rows.tobytes()))
