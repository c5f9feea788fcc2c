"""SpecAugment: masking of frequency bands and time spans.

Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", 2019, arXiv 1904.08779,
without its warping of time, which the paper finds to matter least.
"""

import torch
from torch import Tensor, nn

from sensorium.audio.checks import number, whole
from sensorium.audio.padding import valid
from sensorium.randomness import ExampleRandom


class SpecAugment(nn.Module):
    """Sets frequency bands and time spans to 0, which is the mean of normalized features.

    frequency_masks: bands of each recording. frequency_width: most features a band covers; any number from 0 is alike
    likely. time_masks: segments of each recording. time_width: most frames of a segment. time_share: most of a
    recording that one segment may cover, 0 to 1, so that a short word does not vanish.
    """

    def __init__(
        self, *, frequency_masks: int, frequency_width: int, time_masks: int, time_width: int, time_share: float
    ) -> None:
        super().__init__()
        self.frequency_masks = whole("frequency_masks", frequency_masks, 0)
        self.frequency_width = whole("frequency_width", frequency_width, 0)
        self.time_masks = whole("time_masks", time_masks, 0)
        self.time_width = whole("time_width", time_width, 0)
        self.time_share = number("time_share", time_share, 0.0, 1.0)

    def forward(self, features: Tensor, lengths: Tensor, random: ExampleRandom) -> Tensor:
        """features: (B, T, F); lengths: (B,) frames; returns (B, T, F)."""
        time, width = features.shape[1:]
        of_bands, of_stretches = random.uniform(2 * self.frequency_masks), random.uniform(2 * self.time_masks)
        bands = _masks(of_bands, torch.full_like(lengths, width), min(self.frequency_width, width), width)
        widest = (lengths * self.time_share).long().clamp(max=self.time_width)
        stretches = _masks(of_stretches, lengths, widest, time) & valid(lengths, time)
        return features.masked_fill(bands[:, None, :] | stretches[:, :, None], 0.0)


def _masks(numbers: Tensor, sizes: Tensor, widest: Tensor | int, steps: int) -> Tensor:
    """(B, steps) bool, which steps are covered by one of M masks.

    numbers: (B, 2 M) in [0, 1). sizes: (B,) steps that a mask may be in. widest: (B,), most steps of a mask.
    """
    drawn, places = numbers.chunk(2, dim=1)
    most = torch.as_tensor(widest, device=sizes.device).expand_as(sizes)[:, None]
    width = (drawn * (most + 1)).long().minimum(most)  # (B, M)
    free = sizes[:, None] - width
    start = (places * (free + 1)).long().minimum(free)
    step = torch.arange(steps, device=sizes.device)
    covered = (step >= start[:, :, None]) & (step < (start + width)[:, :, None])  # (B, M, steps)
    return covered.any(1)
