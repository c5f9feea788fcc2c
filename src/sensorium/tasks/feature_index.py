"""An index of training examples by the features that a model makes of them: which look like a given one.

Two files in a folder: features.npy, (N, F) float32, the penultimate features of every example (what enters the model's
head), and features.json, which model they are of and what the data was. The search is exact: cosine similarity to every
row, a block of rows at a time from the memory map, so that memory stays flat whatever N is.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sensorium.errors import RequestError
from sensorium.files import json_text, json_value, write_atomically

FEATURES, ABOUT = "features.npy", "features.json"
_BLOCK = 16_384  # rows that are compared at once
_FORMAT = 1
_WRITE = "sensorium eval ckpt=... index=true writes one."


class Neighbor(NamedTuple):
    """A training example that is like an input. similarity: cosine of the angle between their features, 1 for equal
    ones. target: what it is labeled with. raw: the example as it was given, such as pixels (H, W, C) or a text.
    """

    name: str
    similarity: float
    target: tuple[str, ...] = ()
    raw: Any = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON: without the example."""
        return {"name": self.name, "similarity": self.similarity, "target": list(self.target)}


@dataclass(frozen=True)
class FeatureIndex:
    """features: (N, F) float32, on disk. dataset: the section of the config that the examples are read by."""

    features: np.ndarray
    dataset: Mapping[str, Any]

    def nearest(self, query: np.ndarray, count: int) -> list[tuple[int, float]]:
        """query: (F,); rows of the `count` most similar examples and their similarities, the most similar first."""
        wanted = query.astype(np.float64)
        wanted /= max(float(np.linalg.norm(wanted)), 1e-12)
        rows, best = np.empty(0, np.int64), np.empty(0)
        for start in range(0, len(self.features), _BLOCK):
            block = np.asarray(self.features[start : start + _BLOCK])
            found = block @ wanted.astype(np.float32) / np.maximum(np.linalg.norm(block, axis=1), 1e-12)
            found = np.nan_to_num(found.astype(np.float64), nan=-np.inf)
            rows = np.concatenate([rows, start + np.arange(len(block))])
            best = np.concatenate([best, found])
            order = np.lexsort((rows, -best))[:count]
            rows, best = rows[order], best[order]
        return [(int(row), float(value)) for row, value in zip(rows, best, strict=True) if np.isfinite(value)]


def write_index(
    folder: Path,
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    *,
    examples: int,
    dataset: Mapping[str, Any],
    fingerprint: str,
) -> list[Path]:
    """Writes both files into a folder, whose caller moves them to their place once they are whole.

    parts: rows (B,) and their features (B, F), every one of the `examples` rows once.
    """
    paths = [folder / FEATURES, folder / ABOUT]
    stored: np.memmap[Any, Any] | None = None
    for rows, features in parts:
        if stored is None:
            shape = (examples, features.shape[1])
            stored = np.lib.format.open_memmap(paths[0], mode="w+", dtype=np.float32, shape=shape)
        stored[rows] = features
    assert stored is not None
    stored.flush()
    about = {"format": _FORMAT, "model": fingerprint, "split": "train", "examples": examples, "dataset": dict(dataset)}
    write_atomically(paths[1], json_text(about, indent=2) + "\n")
    return paths


def read_index(folder: Path, *, fingerprint: str) -> FeatureIndex:
    """Raises RequestError for a folder without an index, one of another model, and one that is damaged."""
    try:
        about = json_value((folder / ABOUT).read_text(encoding="utf-8"))
        features = np.load(folder / FEATURES, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise RequestError(f"{folder} holds no index of features; {_WRITE}") from error
    except (OSError, ValueError) as error:
        raise RequestError(f"{folder}: the index of features is damaged ({error}); write it again.") from error
    whole = isinstance(about, dict) and isinstance(about.get("dataset"), dict) and about.get("format") == _FORMAT
    if not whole or features.ndim != 2 or features.dtype != np.float32 or len(features) != about.get("examples"):
        raise RequestError(f"{folder}: the index of features is damaged or of another version; write it again.")
    if about.get("model") != fingerprint:
        raise RequestError(f"{folder}: the index is of another model than this checkpoint; {_WRITE}")
    return FeatureIndex(features, about["dataset"])


def fingerprint_of(weights: Mapping[str, Tensor]) -> str:
    """What tells one set of weights from another: SHA-256 of their names and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()
