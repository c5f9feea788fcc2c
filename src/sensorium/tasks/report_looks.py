"""Examples of a split as people look at them, by modality: fields of an `ReportExample` for each of some rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.audio.features import Features
from sensorium.report_sections import ReportExample
from sensorium.tasks.report_media import clip_uri, image_uri, seen_uri, spectrogram_uri, text
from sensorium.text.build_tokenizer import tokenizer_from_dict

Looks = list[dict[str, Any]]


def names_of(batch: Any, split: Any) -> list[str]:
    """Of the examples of a batch."""
    return [str(split.names[row]) for row in batch.indices.tolist()]


def image_looks(split: Any, rows: np.ndarray) -> Looks:
    """Images as displayed."""
    return [{"image": image_uri(pixels)} for pixels in (split.displayed(rows) if len(rows) else ())]


def text_looks(texts: Sequence[str], rows: np.ndarray, label: str = "") -> Looks:
    """Texts as they were written."""
    return [{"passages": [text(label, texts[row])]} for row in rows.tolist()]


def audio_looks(split: Any, rows: np.ndarray, spec: Any) -> Looks:
    """A clip to play, where the split keeps samples, and the spectrogram that the model is given."""
    return [
        look for start in range(0, len(rows), 32) for look in _audio_looks(split.read(rows[start : start + 32]), spec)
    ]


def _audio_looks(batch: Any, spec: Any) -> Looks:
    with torch.inference_mode():
        features, lengths = Features(**spec.features)(batch.signal, batch.lengths)
    return audio_of(batch, (features, lengths), spec)


def audio_of(batch: Any, seen: tuple[Any, ...], spec: Any) -> Looks:
    """Of a batch whose features, or those made of it, are seen: (B, T, F) and their lengths (B,)."""
    found = []
    for row in range(len(batch.lengths)):
        frames = seen[0][row, : int(seen[1][row])].float().cpu().numpy()
        look = {"image": spectrogram_uri(frames)}
        if batch.signal.ndim == 2:
            samples = batch.signal[row, : int(batch.lengths[row])].float().cpu().numpy()
            look["audio"] = clip_uri(samples, int(spec.features["sample_rate"]))
        found.append(look)
    return found


def seen_images(images: Tensor, targets: Sequence[str], names: Sequence[str], spec: Any) -> list[ReportExample]:
    """Normalized images (B, C, H, W), as a model was given them, with their targets in words."""
    arrays = images[: len(targets)].float().cpu().numpy()
    return [
        ReportExample(name=name, target=target, image=seen_uri(array, spec.mean, spec.std))
        for array, target, name in zip(arrays, targets, names, strict=True)
    ]


def seen_texts(
    tokens: Tensor, lengths: Tensor, targets: Sequence[str], names: Sequence[str], tokenizer: dict[str, Any]
) -> list[ReportExample]:
    """Tokens (B, T) of lengths (B,), as a model was given them, token by token."""
    words = tokenizer_from_dict(tokenizer).tokens
    found = []
    for row, target, length, name in zip(tokens.tolist(), targets, lengths.tolist(), names, strict=False):
        shown = " ".join(words[token] for token in row[:length])
        found.append(ReportExample(name=name, target=target, passages=[text("", shown)]))
    return found
