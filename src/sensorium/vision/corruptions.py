"""Common corruptions of images at severities 1 to 5, to measure how a model holds up.

D. Hendrycks and T. Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", 2019,
arXiv 1903.12261. The settings are those of ImageNet-C, and for images below 64 pixels, on which these leave nothing to
recognize, those of CIFAR-10-C.
"""

import io
import math

import numpy as np
from PIL import Image

from sensorium.randomness import generator

SMALL = 64  # pixels of the shorter side, below which an image is small
SEVERITIES = (1, 2, 3, 4, 5)
_SETTINGS = {  # of large and of small images, by severity
    "noise": ((0.08, 0.12, 0.18, 0.26, 0.38), (0.04, 0.06, 0.08, 0.09, 0.10)),
    "blur": ((1.0, 2.0, 3.0, 4.0, 6.0), (0.4, 0.6, 0.7, 0.8, 1.0)),
    "jpeg": ((25, 18, 15, 10, 7), (80, 65, 58, 50, 40)),
    "brightness": ((0.1, 0.2, 0.3, 0.4, 0.5), (0.05, 0.1, 0.15, 0.2, 0.3)),
}
KINDS = {
    "noise": "Gaussian noise, standard deviation",
    "blur": "Gaussian blur, standard deviation in pixels",
    "jpeg": "JPEG compression, quality",
    "brightness": "brightness, added to the value",
}  # what the setting is


def setting(kind: str, severity: int, *, size: tuple[int, int]) -> float:
    """The strength of a corruption at a severity, for images of a height and width."""
    return float(_SETTINGS[kind][min(size) < SMALL][severity - 1])


def corrupted(image: np.ndarray, kind: str, severity: int, *, seed: int) -> np.ndarray:
    """(C, H, W) uint8 of 1 or 3 channels -> the same, corrupted; random draws follow from the seed alone."""
    strength = setting(kind, severity, size=(image.shape[1], image.shape[2]))
    if kind == "noise":
        values = image / 255 + generator(seed).normal(size=image.shape) * strength
        return _pixels(values)
    if kind == "blur":
        return _pixels(_blurred(image / 255, strength))
    if kind == "jpeg":
        return _compressed(image, int(strength))
    if kind == "brightness":
        return _brighter(image, strength)
    raise ValueError(f"there is no corruption {kind!r}")


def _blurred(values: np.ndarray, deviation: float) -> np.ndarray:
    """(C, H, W) with a Gaussian of that standard deviation in pixels, cut at three; reflected at the edges."""
    for axis, size in ((1, values.shape[1]), (2, values.shape[2])):
        radius = min(math.ceil(3 * deviation), size - 1)
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
        widths = [(radius, radius) if one == axis else (0, 0) for one in range(3)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, widths, mode="reflect"), len(weights), axis)
        values = windows @ (weights / weights.sum())
    return values


def _compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """Each pixel from a JPEG file of it; channels that are not three are compressed one by one."""
    colored = len(image) == 3
    planes = [image.transpose(1, 2, 0)] if colored else list(image)
    found = []
    for plane in planes:
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(plane)).save(file, format="JPEG", quality=quality)
        with Image.open(file) as read:
            found.append(np.asarray(read))
    return np.ascontiguousarray(found[0].transpose(2, 0, 1)) if colored else np.stack(found)


def _brighter(image: np.ndarray, added: float) -> np.ndarray:
    """Adds to the value of hue, saturation and value, which is the largest channel; the others keep their share of it.
    What is black becomes gray.
    """
    values = image / 255
    value = values.max(axis=0, keepdims=True)
    shares = np.divide(values, value, out=np.ones_like(values), where=value > 0)
    return _pixels(shares * np.minimum(value + added, 1))


def _pixels(values: np.ndarray) -> np.ndarray:
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
