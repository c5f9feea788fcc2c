"""Token stores of sequences written down in a test."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.text.tokens import TokenStore


def store_of(sequences: Sequence[Sequence[int]]) -> TokenStore:
    """These sequences, as a store in memory."""
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    flat = np.array([number for sequence in sequences for number in sequence], dtype=np.int32)
    return TokenStore(flat, np.cumsum(lengths) - lengths, lengths, lengths)
