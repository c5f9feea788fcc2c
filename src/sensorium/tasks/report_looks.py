"""Examples of a split as people look at them, by modality: fields of an `ReportExample` for each of some rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.audio.features import Features
from sensorium.report_sections import ReportExample
from sensorium.tasks.report_media import clip_uri, displayed, image_uri, spectrogram_uri, text
from sensorium.tasks.reported import Seen
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


def seen_images(
    seen: Seen,
    targets: Sequence[str],
    names: Sequence[str],
    spec: Any,
    *,
    drawn: Callable[[np.ndarray, int], str] | None = None,
) -> list[ReportExample]:
    """Normalized images, the model's first input (B, C, H, W), with their targets in words.

    drawn: pixels (C, H, W) uint8 and the row of the batch -> a data: URI, for targets that are seen in the image.
    """
    found = []
    for row, (target, name) in enumerate(zip(targets, names, strict=True)):
        pixels = displayed(seen.inputs[0][row].float().cpu().numpy(), spec.mean, spec.std)
        image = image_uri(pixels, side=seen.side) if drawn is None else drawn(pixels, row)
        found.append(ReportExample(name=name, target=target, image=image))
    return found


def seen_texts(
    seen: Seen, targets: Sequence[str], names: Sequence[str], tokenizer: dict[str, Any]
) -> list[ReportExample]:
    """Tokens (B, T) of lengths (B,), the model's first two inputs, token by token."""
    words = tokenizer_from_dict(tokenizer).tokens
    tokens, lengths = (one.tolist() for one in seen.inputs[:2])
    found = []
    for row, target, length, name in zip(tokens, targets, lengths, names, strict=False):
        shown = " ".join(words[token] for token in row[:length])
        found.append(ReportExample(name=name, target=target, passages=[text("", shown)]))
    return found


def shares_in_words(shares: Tensor, names: Sequence[str]) -> list[str]:
    """Targets (B, K) from 0 to 1 as the names of those above 0, with a percentage where it is not all of one."""
    found = []
    for row in shares.tolist():
        parts = [(name, round(100 * share)) for name, share in zip(names, row, strict=True)]
        found.append(", ".join(name if share == 100 else f"{name} ({share}%)" for name, share in parts if share))
    return found
