"""Audio: one channel at the model's rate."""

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from sensorium.export.program.start import Unreadable


def read_audio(path: str | Path, spec: dict[str, Any]) -> np.ndarray:
    """The file's samples (N,) float32."""
    import soundfile

    data = b""
    try:
        data = Path(path).read_bytes()  # also of a pipe, in which soundfile cannot go back
        samples, rate = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    except OSError as error:
        raise Unreadable(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (soundfile.SoundFileError, TypeError) as error:
        reason = (getattr(error, "error_string", None) or str(error)).removeprefix("Error : ").rstrip(". ").lower()
        raise Unreadable(f"{path}: {f'not readable audio: {reason}' if data else 'the file is empty'}") from error
    samples = resampled(samples.mean(axis=1), rate, spec["features"]["sample_rate"])
    if wrong := unusable(samples, spec["features"]["sample_rate"]):
        raise Unreadable(f"{path}: {wrong}")
    return samples


def resampled(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """By a windowed sinc of six zero crossings to each side, that of torchaudio.functional.resample."""
    if rate == new_rate:
        return samples
    step, gives = rate // math.gcd(rate, new_rate), new_rate // math.gcd(rate, new_rate)
    cutoff = min(step, gives) * 0.99 / step  # in cycles of half the source's rate
    width = math.ceil(6 / cutoff) + 2
    reach, padded, pieces = np.arange(-width, width + 1), np.pad(samples, width), [samples[:0]]
    length = -(-len(samples) * gives // step)
    for first in range(0, length, 4096):
        whole, rest = np.divmod(np.arange(first, min(first + 4096, length), dtype=np.int64) * step, gives)
        away = (reach - (rest / gives)[:, None]) * cutoff  # zero crossings from the middle
        filters = np.sinc(away) * np.cos(away.clip(-6, 6) * (math.pi / 12)) ** 2 * cutoff
        pieces.append(np.einsum("nt,nt->n", padded[(whole + width)[:, None] + reach], filters.astype(np.float32)))
    return np.concatenate(pieces)


def unusable(samples: np.ndarray, rate: int) -> str | None:
    """What is wrong with samples for which predictions would mean nothing; None where nothing is."""
    if not len(samples):
        return "empty: it has no samples"
    if bad := np.flatnonzero(~np.isfinite(samples)).tolist():
        what = "sample is" if len(bad) == 1 else "samples are"
        return f"{len(bad):,} {what} not a number or infinite, the first at {bad[0] / rate:.3f} s"
    low, high = float(samples.min()), float(samples.max())
    if high - low < 1e-4:
        return "silent: " + ("all samples are zero" if low == high == 0 else f"all samples are near {low:g}")
    if max(-low, high) > 4:
        return f"samples reach {max(-low, high):g}, beyond full scale (1): saved at a different scale"
    return None
