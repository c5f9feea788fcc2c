"""Resampling from one sample rate to another, in chunks.

The filter is that of torchaudio.functional.resample: a windowed sinc that looks at six of its zero crossings to each
side. So a sample of the result depends on a few samples around it only, and pieces that are cut with that much around
them, and with the filter in phase, are the pieces of the whole.
"""

import math

import numpy as np
import torch
import torchaudio.functional

_ZERO_CROSSINGS = 6  # torchaudio's defaults
_ROLL_OFF = 0.99
_LARGEST_KERNEL = 1 << 22  # numbers; beyond, a kernel that holds every phase would take more memory than the sound
_AT_ONCE = 1 << 14  # samples computed together where there is no such kernel


class Rates:
    """Two rates in hertz, reduced: `step` samples of the one last as long as `gives` of the other."""

    def __init__(self, rate: int, new_rate: int) -> None:
        divisor = math.gcd(rate, new_rate)
        self.step, self.gives = rate // divisor, new_rate // divisor
        self.width = math.ceil(_ZERO_CROSSINGS * self.step / (min(self.step, self.gives) * _ROLL_OFF))

    def length(self, samples: int) -> int:
        """How many samples so many become."""
        return -(-samples * self.gives // self.step)

    def needed(self, first: int, last: int) -> tuple[int, int]:
        """The source samples [begin, end) that the samples [first, last) of the result are made from.

        Where begin is below 0, or end past the end of the source, there is silence. `begin` is a multiple of `step`.
        """
        around = -(-self.width // self.step) * self.step
        begin = first // self.gives * self.step - around
        return begin, last * self.step // self.gives + self.step + around

    def resample(self, samples: np.ndarray) -> np.ndarray:
        """(N,) float32 -> (`length`(N),) float32. The first sample stays in place; silence is assumed on both sides."""
        if self.step == self.gives:
            return samples
        if self.gives * (2 * self.width + self.step) > _LARGEST_KERNEL:
            return self._directly(samples)
        # torchaudio rounds the length in float32; with more silence at the end, what counts is there.
        signal = torch.from_numpy(np.pad(samples, (0, self.step)))
        return torchaudio.functional.resample(signal, self.step, self.gives).numpy()[: self.length(len(samples))]

    def _directly(self, samples: np.ndarray) -> np.ndarray:
        """The same for rates with hardly a common divisor: the filter is computed again for each sample."""
        reach = np.arange(-self.width, self.width + 2)
        padded = np.pad(samples, self.width + 2)
        cutoff = min(self.step, self.gives) * _ROLL_OFF / self.step  # in cycles of half the source's rate
        pieces = []
        for first in range(0, self.length(len(samples)), _AT_ONCE):
            number = np.arange(first, min(first + _AT_ONCE, self.length(len(samples))), dtype=np.int64)
            whole, rest = np.divmod(number * self.step, self.gives)
            away = (reach - (rest / self.gives)[:, None]) * cutoff  # (n, taps) zero crossings from the middle
            window = np.cos(away.clip(-_ZERO_CROSSINGS, _ZERO_CROSSINGS) * (math.pi / 2 / _ZERO_CROSSINGS)) ** 2
            filters = (np.sinc(away) * window * cutoff).astype(np.float32)
            taken = padded[(whole + self.width + 2)[:, None] + reach]
            pieces.append(np.einsum("nt,nt->n", taken, filters))
        return np.concatenate(pieces) if pieces else samples
