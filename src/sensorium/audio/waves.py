"""Random augmentation of samples: gain, noise, reverberation, time shift.

A transform takes samples (B, N), zero past the end of each row, their lengths (B,) and the batch's `ExampleRandom`.
It treats every example by numbers of its own, and gives samples and lengths.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from sensorium.audio.checks import interval, number
from sensorium.audio.noise import generated, pieces_of, recorded
from sensorium.audio.padding import cleared
from sensorium.errors import RequestError
from sensorium.randomness import ExampleRandom

Waves = tuple[Tensor, Tensor]


class Gain(nn.Module):
    """Louder or softer by decibels drawn uniformly from [lowest, highest]. Nothing is cut off at full scale.

    decibels: two numbers; 6 is about twice the amplitude.
    """

    def __init__(self, *, decibels: Sequence[float]) -> None:
        super().__init__()
        self.decibels = interval("decibels", decibels, -120.0, 120.0)

    def forward(self, samples: Tensor, lengths: Tensor, random: ExampleRandom) -> Waves:
        return samples * _amplitude(_between(self.decibels, random.uniform())), lengths


class Noise(nn.Module):
    """Adds noise at a ratio of the signal's power to the noise's, both as means over the recording.

    kind: white, pink, or recorded. decibels: lowest and highest ratio; 20 is a hundred times the power, 0 as much.
    probability: share of recordings that get noise, 0 to 1. folder: audio files, for kind recorded, brought to
    sample_rate hertz. A silent recording is unchanged.
    """

    noise: Tensor

    def __init__(
        self,
        *,
        kind: str,
        decibels: Sequence[float],
        probability: float,
        folder: str | Path | None = None,
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        self.decibels = interval("decibels", decibels, -120.0, 120.0)
        self.probability = number("probability", probability, 0.0, 1.0)
        if kind != "recorded":
            noise = generated(kind)
        elif folder is None or sample_rate is None:
            raise RequestError(
                "Noise of kind recorded needs folder, with sound files, and sample_rate, that of the data."
            )
        else:
            noise = recorded(Path(folder), sample_rate=sample_rate)
        self.register_buffer("noise", noise, persistent=False)

    def forward(self, samples: Tensor, lengths: Tensor, random: ExampleRandom) -> Waves:
        chosen, place, ratio = random.uniform(3).unbind(1)
        noise = cleared(pieces_of(self.noise, place, samples.shape[1]), lengths)
        power, there = samples.square().sum(1), noise.square().sum(1)
        wanted = power * 10 ** (-_between(self.decibels, ratio) / 10)
        scale = torch.where((there > 0) & (chosen < self.probability), wanted / there.clamp(min=1e-30), 0.0).sqrt()
        return samples + scale[:, None] * noise, lengths


class Reverberation(nn.Module):
    """The echo of a room: after the direct sound, which is unchanged, noise that decays evenly.

    seconds: shortest and longest time in which the echo decays by 60 decibels. decibels: lowest and highest ratio of
    the direct sound's power to the echo's. probability: share of recordings in a room, 0 to 1. sample_rate: hertz of
    the data. The echo that would go on past the end of a recording is not there.
    """

    noise: Tensor

    def __init__(
        self, *, seconds: Sequence[float], decibels: Sequence[float], probability: float, sample_rate: int
    ) -> None:
        super().__init__()
        self.seconds = interval("seconds", seconds, 0.01, 10.0)
        self.decibels = interval("decibels", decibels, -120.0, 120.0)
        self.probability = number("probability", probability, 0.0, 1.0)
        self.sample_rate = sample_rate
        self.register_buffer("noise", generated("white"), persistent=False)

    def forward(self, samples: Tensor, lengths: Tensor, random: ExampleRandom) -> Waves:
        chosen, place, time, ratio = random.uniform(4).unbind(1)
        echo = self._echo(place, _between(self.seconds, time))
        level = _amplitude(-_between(self.decibels, ratio)) * (chosen < self.probability)
        # A product of spectra is a convolution; the size leaves room for the echo, so that it does not come round.
        size = samples.shape[1] + echo.shape[1]
        size += -size % 128  # of many small factors, for speed
        echoed = torch.fft.irfft(torch.fft.rfft(samples, size) * torch.fft.rfft(echo, size), size)
        return cleared(samples + level[:, None] * echoed[:, : samples.shape[1]], lengths), lengths

    def _echo(self, place: Tensor, seconds: Tensor) -> Tensor:
        """What follows one click in each room: (B, L), of power 1, silent at the click itself."""
        time = torch.arange(1 + round(self.seconds[1] * self.sample_rate), device=place.device) / self.sample_rate
        echo = pieces_of(self.noise, place, len(time)) * _amplitude(-60 * time / seconds[:, None])
        echo[:, 0] = 0
        return echo / echo.square().sum(1, keepdim=True).sqrt()


class TimeShift(nn.Module):
    """Moves a recording earlier or later; what leaves it at one end is lost, silence comes in at the other.

    share: the most, as a share of the recording's own length; every way up to it is equally likely.
    """

    def __init__(self, *, share: float) -> None:
        super().__init__()
        self.share = number("share", share, 0.0, 1.0)

    def forward(self, samples: Tensor, lengths: Tensor, random: ExampleRandom) -> Waves:
        later = (_between((-self.share, self.share), random.uniform().squeeze(1)) * lengths).round().long()  # (B,)
        source = torch.arange(samples.shape[1], device=samples.device) - later[:, None]
        outside = (source < 0) | (source >= lengths[:, None])
        moved = samples.gather(1, source.clamp(0, max(0, samples.shape[1] - 1))).masked_fill(outside, 0.0)
        return cleared(moved, lengths), lengths


def _between(ends: tuple[float, float], numbers: Tensor) -> Tensor:
    """Numbers in [0, 1) spread over an interval."""
    return ends[0] + (ends[1] - ends[0]) * numbers


def _amplitude(decibels: Tensor) -> Tensor:
    return 10 ** (decibels / 20)
