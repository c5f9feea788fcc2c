"""Speed perturbation: a recording played faster or slower, which changes its pitch too.

Ko et al., "Audio augmentation for speech recognition", Interspeech 2015.
"""

from collections.abc import Sequence
from fractions import Fraction

import torch
import torchaudio.functional
from torch import Tensor, nn

from sensorium.audio.checks import number
from sensorium.audio.padding import cleared
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom

_FINEST = 100  # largest denominator of a factor


class SpeedPerturb(nn.Module):
    """Plays each recording at one of several speeds, drawn uniformly.

    factors: 1.1 plays it in 1 / 1.1 of its time, [0.9, 1.0, 1.1] are usual. A recording of N samples at a factor f has
    N / f samples then, rounded up. Factors are taken to a hundredth.
    """

    def __init__(self, *, factors: Sequence[float]) -> None:
        super().__init__()
        if not len(factors):
            raise RequestError("factors is empty: give speed factors such as [0.9, 1.0, 1.1].")
        self.factors = [
            Fraction(number("a factor", factor, 0.1, 10.0)).limit_denominator(_FINEST) for factor in factors
        ]

    def forward(self, samples: Tensor, lengths: Tensor, random: ExampleRandom) -> tuple[Tensor, Tensor]:
        """Samples (B, N), zero past the end, and lengths (B,) -> the same at the new lengths."""
        choice = random.integers(0, len(self.factors)).squeeze(1)
        possible = torch.stack([-(-lengths * f.denominator // f.numerator) for f in self.factors], dim=1)
        new_lengths = possible.gather(1, choice[:, None]).squeeze(1)
        changed = samples.new_zeros(len(samples), int(new_lengths.max()))
        for place, factor in enumerate(self.factors):
            rows = (choice == place).nonzero().squeeze(1)
            if len(rows):
                played = _played(samples[rows], factor)[:, : changed.shape[1]]
                changed[rows, : played.shape[1]] = played
        return cleared(changed, new_lengths), new_lengths


def _played(samples: Tensor, factor: Fraction) -> Tensor:
    if factor == 1:
        return samples
    # The length is rounded in float32 there; with more silence at the end, what counts is not cut off.
    samples = nn.functional.pad(samples, (0, factor.numerator))
    return torchaudio.functional.resample(samples, factor.numerator, factor.denominator)
