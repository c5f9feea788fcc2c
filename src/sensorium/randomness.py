"""Random numbers as a pure function of where they are used.

Training draws nothing from a generator with hidden state. A number belongs to (seed, epoch, example) or to
(seed, step), so batches, augmentation and dropout do not depend on the number of workers, on what validation did in
between, or on whether the run was interrupted. The mixing function is SplitMix64 (Steele, Lea and Flood 2014), whose
output passes BigCrush.
"""

import numpy as np
import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLIER_1 = 0xBF58476D1CE4E5B9
_MULTIPLIER_2 = 0x94D049BB133111EB


def _mix(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _MULTIPLIER_1) & _MASK
    value = ((value ^ (value >> 27)) * _MULTIPLIER_2) & _MASK
    return value ^ (value >> 31)


def fold(*values: int) -> int:
    """One 63-bit seed from several integers; any change in any of them gives an unrelated seed."""
    state = 0
    for value in values:
        state = _mix(state ^ (value & _MASK))
    return state >> 1


def generator(*values: int) -> np.random.Generator:
    """A numpy generator that belongs to these integers."""
    return np.random.Generator(np.random.Philox(key=fold(*values)))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _shift_right(value: Tensor, bits: int) -> Tensor:
    """Logical shift; torch's own keeps the sign of an int64."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)


def _mix_tensor(value: Tensor) -> Tensor:
    value = value + _signed(_GOLDEN)
    value = (value ^ _shift_right(value, 30)) * _signed(_MULTIPLIER_1)
    value = (value ^ _shift_right(value, 27)) * _signed(_MULTIPLIER_2)
    return value ^ _shift_right(value, 31)


class ExampleRandom:
    """The random numbers of one batch: those of an example do not depend on the batch it is in.

    Each call to `uniform` or `integers` takes the next numbers of every example's own stream. `permutation` and
    `beta` belong to the batch as a whole.

    seed, epoch: of the run. indices: (B,) int64 example numbers, on the device where numbers are wanted. batch: number
    of the batch in the epoch.
    """

    def __init__(self, *, seed: int, epoch: int, indices: Tensor, batch: int = 0) -> None:
        self._seed, self._epoch, self._batch = seed, epoch, batch
        self._indices = indices.long()
        self._streams = _mix_tensor(self._indices ^ _signed(fold(seed, epoch) << 1))
        self._taken = 0

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 0."""
        return self._epoch

    def uniform(self, n: int = 1) -> Tensor:
        """(B, n) float32 in [0, 1), on the device of the indices."""
        counter = torch.arange(self._taken, self._taken + n, device=self._streams.device)
        self._taken += n
        bits = _mix_tensor(self._streams[:, None] + counter * _signed(_GOLDEN))
        return _shift_right(bits, 40).float() * 2.0**-24

    def integers(self, low: int, high: int, n: int = 1) -> Tensor:
        """(B, n) int64 in [low, high)."""
        return low + (self.uniform(n) * (high - low)).long().clamp_(max=high - low - 1)

    def fixed(self) -> Tensor:
        """(B,) float32 in [0, 1): the one number of each example that is the same in every epoch and every call."""
        bits = _mix_tensor(self._indices ^ _signed(fold(self._seed) << 1))
        return _shift_right(bits, 40).float() * 2.0**-24

    def permutation(self) -> Tensor:
        """(B,) int64: each example's partner in this batch."""
        return self.uniform(1).squeeze(1).argsort(stable=True)

    def beta(self, alpha: float) -> Tensor:
        """(B,) float32 from Beta(alpha, alpha), one for each example."""
        self._taken += 1
        draws = generator(self._seed, self._epoch, self._batch, self._taken).beta(alpha, alpha, len(self._streams))
        return torch.from_numpy(draws.astype(np.float32)).to(self._streams.device)


def drawn_rows(size: int, limit: int) -> np.ndarray:
    """(M,) int64: at most so many of `size` rows, in order, the same each time."""
    found: np.ndarray = np.sort(generator(0).permutation(size)[:limit])
    return found
