"""Recordings under inspection: a spectral fingerprint that a change of gain leaves as it is."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from sensorium.inspection.contents import NO_PAIRS
from sensorium.inspection.neighbors import distinct_pairs, nearest

_FRAMES = 24  # that every recording is brought to
_SILENT = 0.25  # of the range of loudness, below which its ends are cut off
_CHUNK = 64
_NEIGHBORS = 6
_CLOSER, _FARTHEST = 0.2, 0.04  # as for images
_SAME = 0.999
_LENGTH = 0.03  # share by which durations of duplicates may differ


class AudioInputs:
    """read: (B,) rows -> log-mel spectra or other features before normalization, (T, F) each. seconds: (N,)."""

    def __init__(self, read: Callable[[np.ndarray], list[np.ndarray]], seconds: np.ndarray) -> None:
        self._read, self._seconds = read, seconds

    def constant(self) -> np.ndarray:
        """Recordings whose spectrum never changes, silence above all."""
        return np.flatnonzero(self._described[2])

    def near_duplicates(self) -> np.ndarray:
        """Fingerprints that agree, relative to how close other recordings come, and durations within 3%."""
        prints, _, flat = self._described
        usable = np.flatnonzero(~flat)
        if len(usable) < 2:
            return NO_PAIRS
        rows, similar = nearest(np.ascontiguousarray(prints[usable]), _NEIGHBORS)
        room = np.clip(1 - similar[:, -1], 0, _FARTHEST)
        other = np.where(rows >= 0, rows, 0)
        close = 1 - similar <= _CLOSER * np.minimum(room[:, None], room[other])
        close |= similar >= _SAME
        seconds = self._seconds[usable]
        close &= np.abs(seconds[:, None] - seconds[other]) <= _LENGTH * seconds[:, None]
        return usable[distinct_pairs(rows, close)]

    def features(self, rows: np.ndarray) -> np.ndarray:
        """The spectrum over the loud part in 24 steps, its mean, and what was cut off."""
        return self._described[1][rows]

    @cached_property
    def _described(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Fingerprints (N, 24 * F) of length 1, features (N, G), and which (N,) never change."""
        prints, features, flat = [], [], []
        for start in range(0, len(self._seconds), _CHUNK):
            for spectrum in self._read(np.arange(start, min(start + _CHUNK, len(self._seconds)))):
                flat.append(bool(np.ptp(spectrum, axis=0).max(initial=0) < 1e-4))
                whole = _in_steps(spectrum).ravel()
                whole = whole - whole.mean()  # a gain adds the same to every logarithm
                prints.append(whole / max(float(np.linalg.norm(whole)), 1e-6))
                features.append(_described(spectrum))
        return np.stack(prints).astype(np.float32), np.stack(features).astype(np.float32), np.array(flat)


def _described(spectrum: np.ndarray) -> np.ndarray:
    loudness = spectrum.mean(axis=1)
    low, high = np.percentile(loudness, 5), loudness.max()
    loud = np.flatnonzero(loudness > low + _SILENT * (high - low))
    kept = spectrum[loud[0] : loud[-1] + 1] if len(loud) else spectrum
    steps = _in_steps(kept)
    steps = steps - steps.mean()
    spread = max(float(steps.std()), 1e-3)
    facts = [len(kept) / len(spectrum), np.log(len(kept)), high - low, spectrum.std()]
    return np.concatenate([steps.ravel() / spread, (kept.mean(axis=0) - kept.mean()) / spread, facts])


def _in_steps(spectrum: np.ndarray) -> np.ndarray:
    """(T, F) -> (24, F), interpolated linearly."""
    places = np.linspace(0, len(spectrum) - 1, _FRAMES)
    low = np.floor(places).astype(np.int64)
    high, share = np.minimum(low + 1, len(spectrum) - 1), (places - low)[:, None]
    steps: np.ndarray = spectrum[low] * (1 - share) + spectrum[high] * share
    return steps
