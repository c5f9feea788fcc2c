"""Background noise and reverberation of recordings at severities 1 to 5, to measure how a model holds up."""

from functools import cache

import numpy as np

from sensorium.audio.noise import generated
from sensorium.randomness import generator

SEVERITIES = (1, 2, 3, 4, 5)
_SETTINGS = {"noise": (20.0, 15.0, 10.0, 5.0, 0.0), "reverberation": (0.2, 0.4, 0.6, 0.9, 1.2)}
KINDS = {  # what the setting is
    "noise": "pink background noise, signal-to-noise ratio in dB",
    "reverberation": "reverberation, time to fall by 60 dB in seconds",
}
_FALL = 3 * np.log(10)  # nepers of 60 dB


def setting(kind: str, severity: int) -> float:
    """The strength of a corruption at a severity."""
    return _SETTINGS[kind][severity - 1]


def corrupted(samples: np.ndarray, kind: str, severity: int, *, sample_rate: int, seed: int) -> np.ndarray:
    """(N,) float32 -> (N,) float32; random draws follow from the seed alone. Silence stays as it is."""
    power = float(np.mean(samples.astype(np.float64) ** 2)) if len(samples) else 0.0
    if power == 0:
        return samples
    strength = setting(kind, severity)
    if kind == "noise":
        noise = _pink()
        start = int(generator(seed).integers(len(noise)))
        piece = np.take(noise, np.arange(start, start + len(samples)), mode="wrap").astype(np.float64)
        piece *= np.sqrt(power * 10 ** (-strength / 10) / np.mean(piece**2))
        return (samples + piece).astype(np.float32)
    return _reverberant(samples, power, strength, sample_rate, seed)


@cache
def _pink() -> np.ndarray:
    """Two seconds to make: made once."""
    noise: np.ndarray = generated("pink").numpy()
    return noise


def _reverberant(samples: np.ndarray, power: float, seconds: float, sample_rate: int, seed: int) -> np.ndarray:
    """Through a room whose response is noise that falls exponentially (Polack 1988), as strong in all as the direct
    sound before it; cut to the length of the recording, and as loud.
    """
    taps = max(1, int(seconds * sample_rate))
    tail = generator(seed).standard_normal(taps) * np.exp(-_FALL * np.arange(taps) / taps)
    response = np.concatenate([[1.0], tail / np.sqrt(np.sum(tail**2))])
    size = len(samples) + len(response) - 1
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)]
    return (wet * np.sqrt(power / np.mean(wet**2))).astype(np.float32)
