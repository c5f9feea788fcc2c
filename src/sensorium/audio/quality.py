"""What is wrong with audio samples: the same checks for training, evaluation and prediction."""

from collections.abc import Iterable

import numpy as np

from sensorium.audio.read import Source, chunks

_FULL_SCALE = 0.999  # from here on a sample is as loud as it can be
_SILENT = 1e-4
_RUN = 3  # so many of them in a row make a flat top
_CLIPPED = 0.05  # share of samples in flat tops that spoils a recording
_WRONG_SCALE = 4.0  # decoders and resampling overshoot 1, but never by this much
_WINDOW = 10.0  # seconds of a file that are in memory at once


def check(samples: np.ndarray, *, sample_rate: int) -> str | None:
    """What is wrong with samples (N,), in plain words, or None. sample_rate: hertz.

    Silent: between the lowest and the highest are less than 1e-4, three steps of 16 bits. Clipped: at least 5% of the
    samples are in flat tops, three or more in a row at full scale; that message begins with "clipped".
    """
    return _check([samples], sample_rate)


def check_file(path: Source, *, sample_rate: int) -> str | None:
    """`check` of a whole recording, of which only a window is in memory. Raises UnreadableAudio."""
    found = chunks(path, sample_rate=sample_rate, seconds=_WINDOW, overlap=0.0)
    return _check((chunk.samples for chunk in found), sample_rate)


def is_clipped(wrong: str | None) -> bool:
    """Whether that is what `check` said: such a recording is worth a note, and is used."""
    return wrong is not None and wrong.startswith("clipped")


def _check(pieces: Iterable[np.ndarray], sample_rate: int) -> str | None:
    """Of a recording that comes in pieces (n,); a flat top that continues in the next piece counts as two."""
    count = bad = flat = 0
    first_bad = -1
    low, high = np.inf, -np.inf
    for samples in pieces:
        finite = np.isfinite(samples)
        if not finite.all():
            first_bad = count + int(np.argmin(finite)) if not bad else first_bad
            bad += int((~finite).sum())
        elif len(samples):
            low, high = min(low, float(samples.min())), max(high, float(samples.max()))
            if max(-low, high) >= _FULL_SCALE:
                flat += _in_flat_tops(np.abs(samples) >= _FULL_SCALE)
        count += len(samples)
    if not count:
        return "empty: it has no samples"
    if bad:
        what = "sample is" if bad == 1 else "samples are"
        return f"{bad:,} {what} not a number or infinite, the first at {first_bad / sample_rate:.3f} s"
    if high - low < _SILENT:
        return "silent: " + ("all samples are zero" if low == high == 0 else f"all samples are near {low:g}")
    if max(-low, high) > _WRONG_SCALE:
        return f"samples reach {max(-low, high):g}, beyond full scale (1): saved at a different scale"
    if flat / count >= _CLIPPED:
        return f"clipped: {100 * flat / count:.1f}% of the samples are at full scale"
    return None


def _in_flat_tops(loud: np.ndarray) -> int:
    """How many of (N,) bool are in a run of at least _RUN true ones."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], loud, [False]))))
    runs = edges[1::2] - edges[::2]
    return int(runs[runs >= _RUN].sum())
