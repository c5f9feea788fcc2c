"""From samples to features: log-mel spectra, or cepstral coefficients (MFCC) with deltas.

The formulas are those of torchaudio (MelSpectrogram with center=False, MFCC, compute_deltas), on a whole batch at once
and on the device where it is. A frame consists of the samples inside its window and nothing else, so that features can
be taken while a recording comes in (`sensorium.audio.stream`).
"""

import math
from typing import overload

import torch
import torchaudio.functional
from torch import Tensor, nn

from sensorium.audio.checks import whole
from sensorium.audio.normalise import NORMALISATIONS, RunningState, running, utterance
from sensorium.audio.padding import cleared
from sensorium.errors import RequestError, unknown

KINDS = ("log_mel", "mfcc")
_FLOOR = 1e-10  # power; below what 16-bit samples can tell apart
_FRAMES_AT_ONCE = 4096  # on a CPU: what is computed on the way then stays in its cache
_SPARE_FRAMES = 16  # behind every recording in an exported graph, which no length makes too short then
_DECIBELS = 10 / math.log(10)
# Speech of a usual loudness, which running normalization begins with: natural logarithm of the power of a mel band.
_LOG_MEL_MEAN, _LOG_MEL_DEVIATION = -6.0, 4.0


class Features(nn.Module):
    """Features of a batch of recordings.

    sample_rate: hertz. kind: log_mel, the natural logarithm of `num_mels` mel bands (power, 1e-10 at least); or mfcc,
    `num_coefficients` of the cosine transform of those bands in decibels, their deltas and the deltas of these (over
    two frames on both sides). window, hop: seconds of audio in a frame, and from one frame to the next. normalise:
    "utterance", mean 0 and variance 1 of each feature over the recording; "running", by mean and variance of what came
    before (`sensorium.audio.normalise.running`); "none".

    Differs from torchaudio in two points that its results would depend on: MFCC has no floor 80 dB below the loudest
    value of the batch, and the spectrum is taken finer than the window where a mel band would else have no frequency.

    num_features: F. hop_samples, window_samples: hop and window. Raises RequestError for settings that cannot work.
    """

    window: Tensor
    mel_filters: Tensor
    cosines: Tensor
    prior_mean: Tensor
    prior_variance: Tensor

    def __init__(
        self,
        *,
        sample_rate: int,
        kind: str = "log_mel",
        num_mels: int = 40,
        num_coefficients: int = 13,
        window: float = 0.025,
        hop: float = 0.010,
        normalise: str = "utterance",
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise unknown("kind of features", kind, KINDS)
        if normalise not in NORMALISATIONS:
            raise unknown("normalisation", normalise, NORMALISATIONS)
        self.sample_rate = whole("sample_rate", sample_rate, 1)
        self.kind, self.normalise = kind, normalise
        self.window_samples, self.hop_samples = round(window * sample_rate), round(hop * sample_rate)
        if not 1 <= self.hop_samples <= self.window_samples:
            raise RequestError(
                f"window is {window} s and hop {hop} s: at {sample_rate:,} Hz give a hop of at least one sample "
                f"({1 / sample_rate:g} s), and no longer than the window."
            )
        bands = self.window_samples // 2 + 1
        if not 1 <= num_mels <= bands:
            raise RequestError(
                f"num_mels is {num_mels}; a window of {window} s at {sample_rate:,} Hz has 1 to {bands}."
            )
        if kind == "mfcc" and not 1 <= num_coefficients <= num_mels:
            raise RequestError(f"num_coefficients is {num_coefficients}: give 1 to num_mels, which is {num_mels}.")
        self.num_mels = num_mels
        self.num_coefficients = num_coefficients
        self.num_features = num_mels if kind == "log_mel" else 3 * num_coefficients
        self.fft_samples, filters = _mel_filters(self.window_samples, num_mels, sample_rate)
        self.register_buffer("window", torch.hann_window(self.window_samples), persistent=False)
        self.register_buffer("mel_filters", filters, persistent=False)  # (frequencies, num_mels)
        cosines = torchaudio.functional.create_dct(num_coefficients, num_mels, "ortho") if kind == "mfcc" else None
        self.register_buffer("cosines", cosines, persistent=False)  # (num_mels, num_coefficients)
        mean, variance = self._prior()
        self.register_buffer("prior_mean", mean, persistent=False)
        self.register_buffer("prior_variance", variance, persistent=False)

    @overload
    def frames(self, lengths: int) -> int: ...

    @overload
    def frames(self, lengths: Tensor) -> Tensor: ...

    def frames(self, lengths: int | Tensor) -> int | Tensor:
        """Frames of so many samples: one for each window that fits, and one for less than a window."""
        if isinstance(lengths, Tensor):
            return 1 + (lengths - self.window_samples).clamp(min=0) // self.hop_samples
        return 1 + max(lengths - self.window_samples, 0) // self.hop_samples

    def forward(self, signal: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalized features (B, T, F), zero at padding, and how many frames each row has, (B,).

        signal: samples (B, N), zero past the end, and lengths (B,) in samples; or features as `extract` gave them,
        (B, T, F), and lengths in frames.
        """
        if signal.ndim == 2:
            signal, lengths = self.extract(signal, lengths)
        return self.normalised(signal, lengths), lengths

    def extract(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples and (B,) -> (B, T, F) before normalization, zero at padding, and (B,) frames."""
        lengths = self.frames(lengths)
        found = self.log_mel(samples)
        if self.kind == "mfcc":
            coefficients = _DECIBELS * found @ self.cosines
            changes = deltas(coefficients, lengths)
            found = torch.cat((coefficients, changes, deltas(changes, lengths)), dim=2)
        return cleared(found, lengths), lengths

    def log_mel(self, samples: Tensor) -> Tensor:
        """(B, N) samples -> (B, T, num_mels) natural logarithms of all frames, those of the padding too."""
        if torch.compiler.is_exporting():
            return self._log_mel_by_convolution(samples)
        missing = self.window_samples - samples.shape[1]
        if missing > 0:
            samples = nn.functional.pad(samples, (0, missing))
        if samples.device.type != "cpu":
            return self._log_mel(samples)
        rows = max(1, _FRAMES_AT_ONCE // self.frames(samples.shape[1]))
        return torch.cat([self._log_mel(part) for part in samples.split(rows)])

    def _log_mel(self, samples: Tensor) -> Tensor:
        frames = samples.unfold(1, self.window_samples, self.hop_samples) * self.window  # (B, T, window)
        spectrum = torch.fft.rfft(frames, n=self.fft_samples)
        power = spectrum.real.square() + spectrum.imag.square()  # (B, T, frequencies)
        return (power @ self.mel_filters).clamp(min=_FLOOR).log()

    def _log_mel_by_convolution(self, samples: Tensor) -> Tensor:
        """The same in operators that an exported graph has: the Fourier transform of windows is a convolution."""
        # Zeros behind, so that less than a window gives a frame too; frames past a row's length are padding.
        padded = nn.functional.pad(samples, (0, self.window_samples + _SPARE_FRAMES * self.hop_samples))[
            :, None
        ]  # (B, 1, N)
        parts = nn.functional.conv1d(padded, self._fourier(), stride=self.hop_samples)
        power = parts.square().unflatten(1, (2, -1)).sum(1).transpose(1, 2)  # (B, T, frequencies)
        return (power @ self.mel_filters).clamp(min=_FLOOR).log()

    def _fourier(self) -> Tensor:
        """(2 * frequencies, 1, window): cosines, then sines, of every frequency, times the window."""
        frequencies = torch.arange(self.mel_filters.shape[0], dtype=torch.float64)[:, None]
        times = torch.arange(self.window_samples, dtype=torch.float64)
        angles = (2 * math.pi / self.fft_samples) * frequencies * times
        waves = torch.cat([angles.cos(), angles.sin()]) * self.window.double()
        return waves.float()[:, None]

    def normalised(self, features: Tensor, lengths: Tensor, state: RunningState | None = None) -> Tensor:
        """Features (B, T, F) as `extract` gives them -> the same as `normalise` says, zero at padding.

        state: what running normalization has seen before these frames; it is brought up to date.
        """
        if self.normalise == "utterance":
            return utterance(features, lengths)
        if self.normalise == "running":
            state = state or RunningState(self.prior_mean, self.prior_variance)
            return cleared(running(features, state), lengths)
        return cleared(features, lengths)

    def _prior(self) -> tuple[Tensor, Tensor]:
        """Mean (F,) and variance (F,) that running normalization begins with."""
        if self.kind == "log_mel":
            mean, deviation = torch.tensor(_LOG_MEL_MEAN), torch.tensor(_LOG_MEL_DEVIATION)
            return mean.repeat(self.num_mels), deviation.square().repeat(self.num_mels)
        # The cosine transform of equal bands is in its first coefficient alone. Bands that go up and down together give
        # that one nearly all their variance; the others and the changes have about the size of a band.
        band = _DECIBELS * _LOG_MEL_DEVIATION
        mean, variance = torch.zeros(self.num_features), torch.full((self.num_features,), band**2)
        mean[0] = _DECIBELS * _LOG_MEL_MEAN * math.sqrt(self.num_mels)
        variance[0] *= self.num_mels
        variance[self.num_coefficients :] /= 16
        return mean, variance


def deltas(x: Tensor, lengths: Tensor) -> Tensor:
    """How features change: the slope of a line through five frames, (B, T, F) -> (B, T, F).

    As torchaudio.functional.compute_deltas, each row by itself: beyond its ends its first and last frame go on.
    lengths: (B,) frames.
    """
    step = torch.arange(x.shape[1], device=x.device)
    last = lengths[:, None] - 1
    row = torch.arange(x.shape[0], device=x.device)[:, None]

    def shifted(by: int) -> Tensor:
        return x[row, torch.minimum((step + by).clamp(min=0), last)]

    return (shifted(1) - shifted(-1) + 2 * (shifted(2) - shifted(-2))) / 10


def _mel_filters(window: int, num_mels: int, sample_rate: int) -> tuple[int, Tensor]:
    """Samples of the Fourier transform, and the filters (frequencies, num_mels); none of them is empty."""
    samples = window
    while True:
        filters = _triangles(samples // 2 + 1, num_mels, sample_rate)
        if (filters.amax(0) > 0).all():
            return samples, filters
        samples *= 2


def _triangles(frequencies: int, num_mels: int, sample_rate: int) -> Tensor:
    """Triangles of height 1, evenly spaced on the mel scale of HTK, from 0 Hz to half the rate: torchaudio's default.

    Its own function prints a warning where a filter is empty, which `_mel_filters` settles.
    """
    top = 2595 * math.log10(1 + sample_rate // 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, num_mels + 2) / 2595) - 1)  # hertz
    distance = corners - torch.linspace(0, sample_rate // 2, frequencies)[:, None]  # (frequencies, num_mels + 2)
    widths = corners.diff()
    rising = -distance[:, :-2] / widths[:-1]
    falling = distance[:, 2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0)
