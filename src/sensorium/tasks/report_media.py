"""Images, audio and texts of examples, small enough for a report in one file."""

import base64
import difflib
import io
from collections.abc import Sequence

import numpy as np
import soundfile
from matplotlib import colormaps
from PIL import Image

from sensorium.report_sections import Mark, Passage, ReportExample

_SMALL = 40  # pixels up to which an image is enlarged by whole numbers, so that its pixels stay sharp
_RATE = 16000  # samples a second of a clip at most
_SECONDS = 8.0  # of a clip
_LONGEST = 700  # characters of a text
SHOWN = 120  # examples of a kind (right, wrong) in a report
WORST = 12  # most confident errors


def chosen(wrong: np.ndarray, right: np.ndarray, *, most: int = SHOWN) -> np.ndarray:
    """Rows to show: the first of the wrong ones, which come worst first, and evenly spaced ones of the right ones."""
    spaced = right[np.unique(np.linspace(0, len(right) - 1, min(len(right), most)).astype(np.int64))]
    return np.concatenate([wrong[:most], spaced]).astype(np.int64)


def evenly(count: int, most: int) -> np.ndarray:
    """Up to `most` rows of `count`, evenly spaced."""
    return np.unique(np.linspace(0, max(0, count - 1), min(count, most)).astype(np.int64))


def image_uri(pixels: np.ndarray, *, side: int = 112) -> str:
    """(C, H, W) uint8 -> a data: URI; other than three channels as the gray of their mean."""
    if len(pixels) == 3:
        image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    else:
        image = Image.fromarray(pixels.mean(axis=0).round().astype(np.uint8))
    longest = max(image.size)
    if longest > side:
        scale = side / longest
        image = image.resize(
            (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX
        )
    return encoded(image, lossless=longest <= 2 * _SMALL)


def encoded(image: Image.Image, *, lossless: bool) -> str:
    """An image as a data: URI; JPEG unless lossless."""
    file = io.BytesIO()
    if lossless:
        image.save(file, format="PNG", optimize=True)
        return _uri("image/png", file)
    image.convert("RGB").save(file, format="JPEG", quality=82)
    return _uri("image/jpeg", file)


def displayed(image: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """A normalized image (C, H, W) float, as a model is given it, with its colors back: (C, H, W) uint8."""
    shape = (-1, 1, 1)
    pixels = image * np.array(std).reshape(shape) + np.array(mean).reshape(shape)
    return np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)


def spectrogram_uri(features: np.ndarray) -> str:
    """Features (T, F) -> an image, time to the right and low frequencies at the bottom."""
    low, high = np.quantile(features, [0.01, 0.99]) if features.size else (0.0, 1.0)
    scaled = ((features - low) / max(1e-9, high - low)).clip(0, 1)
    colored = (colormaps["magma"](scaled.T[::-1])[..., :3] * 255).astype(np.uint8)
    image = Image.fromarray(colored)
    return encoded(image.resize((min(240, max(96, image.width)), 72), Image.Resampling.BILINEAR), lossless=False)


def clip_uri(samples: np.ndarray, rate: int) -> str:
    """Samples (N,) from -1 to 1 -> the first eight seconds as MP3, or WAV where the library writes no MP3."""
    samples = samples[: int(_SECONDS * rate)]
    file = io.BytesIO()
    if "MP3" in soundfile.available_formats() and rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000):
        soundfile.write(file, samples, rate, format="MP3", subtype="MPEG_LAYER_III")
        return _uri("audio/mpeg", file)
    step = max(1, round(rate / _RATE))
    soundfile.write(file, samples[::step], rate // step, format="WAV", subtype="PCM_16")
    return _uri("audio/wav", file)


def text(label: str, words: str) -> Passage:
    """A text without marks, cut where it is long."""
    return Passage(label=label, pieces=[(cut(words), "")])


def cut(words: str) -> str:
    """The beginning of a long text."""
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} \N{HORIZONTAL ELLIPSIS}"


def differences(reference: str, hypothesis: str) -> tuple[Passage, Passage]:
    """A reference and a hypothesis with the words marked in which they differ."""
    left, right = cut(reference).split(), cut(hypothesis).split()
    pieces: tuple[list[tuple[str, Mark]], list[tuple[str, Mark]]] = ([], [])
    for what, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        same = what == "equal"
        if b > a:
            pieces[0].append((" ".join(left[a:b]), "" if same else "missing"))
        if d > c:
            pieces[1].append((" ".join(right[c:d]), "" if same else "wrong"))
    return Passage(label="reference", pieces=pieces[0]), Passage(label="hypothesis", pieces=pieces[1])


def within(examples: Sequence[ReportExample], budget: int) -> tuple[list[ReportExample], int]:
    """The first examples whose images and audio fit in so many bytes together, and how many bytes they take."""
    kept, used = [], 0
    for one in examples:
        size = len(one.image) + len(one.audio)
        if used + size > budget:
            break
        kept.append(one)
        used += size
    return kept, used


def _uri(kind: str, file: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
