"""Texts as token numbers in one flat array, in memory when small, else in a memory-mapped file.

What is too large for memory is kept in SENSORIUM_CACHE/text for later runs, by a hash of texts, tokenizer and limits:

    KEY.lock         held by the one who opens or builds this entry
    KEY.tokens       the flat array
    KEY.lengths.npy  (N,) int64, tokens of each text before it was cut; written last
"""

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensorium.data.download import cache_folder
from sensorium.data.entries import locked, remove_oldest
from sensorium.data.text import texts as limits
from sensorium.data.text.texts import Texts, no_room
from sensorium.files import replacing
from sensorium.text.tokenizer import PAD, UNK, Tokenizer

_FORMAT = 1
_KEPT = 1 << 34  # bytes of entries that are kept; the longest unused ones make room


@dataclass(frozen=True)
class TokenStore:
    """N sequences. Several threads may read at once.

    flat: token numbers, uint16 or int32. starts, lengths: (N,) int64, where each sequence lies in it. full: (N,) int64,
    the lengths they had before they were cut.
    """

    flat: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    full: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def cut(self) -> int:
        """How many sequences were longer than they could be."""
        return int((self.full > self.lengths).sum())

    def gather(self, rows: np.ndarray, max_length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """These rows (B,), cut to max_length, as (B, T) int64 filled up with PAD, and their lengths (B,) int64."""
        lengths = self.lengths[rows] if max_length is None else np.minimum(self.lengths[rows], max_length)
        padded = np.full((len(rows), int(lengths.max(initial=0))), PAD, dtype=np.int64)
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        places = np.repeat(self.starts[rows] - (ends - lengths), lengths) + np.arange(total)
        padded[np.arange(padded.shape[1]) < lengths[:, None]] = self.flat[places]
        return padded, lengths

    def subset(self, rows: np.ndarray) -> "TokenStore":
        """These sequences alone, over the same array."""
        return TokenStore(self.flat, self.starts[rows], self.lengths[rows], self.full[rows])

    def joined(self, others: Sequence["TokenStore"]) -> "TokenStore":
        """This one's sequences, then those of the others; over one array when all are, else over a copy in memory."""
        stores = (self, *others)
        shifts = [0] * len(stores)
        flat = self.flat
        if any(store.flat is not flat for store in others):
            shifts = np.cumsum([0, *(len(store.flat) for store in stores[:-1])]).tolist()
            flat = np.concatenate([store.flat for store in stores])
        return TokenStore(
            flat,
            np.concatenate([store.starts + shift for store, shift in zip(stores, shifts, strict=True)]),
            np.concatenate([store.lengths for store in stores]),
            np.concatenate([store.full for store in stores]),
        )

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

    if texts.sizes.sum() < limits.IN_MEMORY:
        arrays, lengths = [np.empty(0, dtype)], []
        for ids, full in chunks():
            arrays.append(ids)
            lengths += full
        flat, full_lengths = np.concatenate(arrays), np.array(lengths, dtype=np.int64)
    else:
        settings = [_FORMAT, texts.digest(), tokenizer.to_dict(), max_length, never_empty]
        key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:32]
        flat, full_lengths = _kept(key, chunks, dtype)
    lengths_kept = np.clip(full_lengths, int(never_empty), max_length)
    return TokenStore(flat, np.cumsum(lengths_kept) - lengths_kept, lengths_kept, full_lengths)


def _kept(
    key: str, chunks: Callable[[], Iterator[tuple[np.ndarray, list[int]]]], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """The array and the full lengths of an entry, which is built first if need be: by one process, others wait."""
    home = cache_folder("text")
    tokens, lengths = home / f"{key}.tokens", home / f"{key}.lengths.npy"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with locked(home / f"{key}.lock"):
            if not (lengths.is_file() and tokens.is_file()):
                _build(tokens, lengths, chunks)
            os.utime(tokens)  # the entry used last is removed last
            with tokens.open("rb") as file:
                # A mapping stays whole when another process removes the file.
                size = os.fstat(file.fileno()).st_size
                mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) if size else b""
            found = np.frombuffer(mapping, dtype), np.load(lengths)
        remove_oldest(home, suffix=".tokens", others=(".lengths.npy",), limit=_KEPT, keep=key)
    except OSError as error:
        raise no_room(error) from error
    return found


def _build(tokens: Path, lengths: Path, chunks: Callable[[], Iterator[tuple[np.ndarray, list[int]]]]) -> None:
    counted: list[np.ndarray] = []
    with replacing(tokens) as file:
        for ids, full in chunks():
            file.write(ids.tobytes())
            counted.append(np.array(full, dtype=np.int64))
    with replacing(lengths) as file:
        np.save(file, np.concatenate(counted))
