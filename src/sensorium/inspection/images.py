"""Images under inspection: a perceptual hash of real numbers, and what confirms that two images are one.

The hash is that of pHash (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010): the
lowest 8 x 8 frequencies of the cosine transform. Its coefficients are kept instead of their signs, so that images of
8 x 8 and 28 x 28 pixels, which a hash of 64 bits cannot tell apart, are compared as well. Nearest neighbors are
confirmed by the best of several slight crops and blurs, relative to how close other images of the data come; that
tells copies from classes whose images are all alike.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sensorium.inspection.contents import NO_PAIRS, NO_ROWS
from sensorium.inspection.neighbors import distinct_pairs, nearest

_SIDE, _HASH, _COLORS = 64, 8, 4
_CHUNK = 256
_NEIGHBORS = 6
_CANDIDATE = 0.95  # cosine similarity from which neighbors are looked at
_CLOSER = 0.2  # of the distance to the sixth neighbor
_FARTHEST = 0.04  # of that distance, where neighbors are far
_SAME = 0.999  # pixel correlation from which images are the same whatever their neighbors
_COLOR_LEVELS = 24.0  # of 255, by which a 4 x 4 thumbnail may differ
_FEWEST_PIXELS, _MOST_PIXELS = 4, 32  # of a side, for features
# What is kept of each axis by crops of up to 3%.
_CROPS = ((0.0, 1.0), (0.015, 0.985), (0.0, 0.97), (0.03, 1.0))
_PAIRS_OF_CROPS = ((0, 0), *((down, across) for down in (1, 2, 3) for across in (1, 2, 3)))
_BLURS = (0.6, 1.0, 1.4)  # of the whole image, as resizing leaves it: falls of the highest frequency, exp(-blur^2)
_VARIANTS = len(_PAIRS_OF_CROPS) + len(_BLURS)


class ImageInputs:
    """read: (B,) rows -> (B, C, H, W) uint8. count: N."""

    def __init__(self, read: Callable[[np.ndarray], np.ndarray], count: int) -> None:
        self._read, self._count = read, count

    def constant(self) -> np.ndarray:
        """Images of one color; none of images so small that this says nothing."""
        return NO_ROWS if self._tiny else np.flatnonzero(self._described[2])

    def near_duplicates(self) -> np.ndarray:
        """By the hash, then by crops, then by color; see the module."""
        hashes, colors, flat = self._described
        usable = np.flatnonzero(~flat)
        if len(usable) < 2 or self._tiny:
            return NO_PAIRS
        rows, similar = nearest(np.ascontiguousarray(hashes[usable, 0].astype(np.float32)), _NEIGHBORS)
        pairs = distinct_pairs(rows, similar > _CANDIDATE)
        if not len(pairs):
            return NO_PAIRS
        room = np.clip(1 - similar[:, -1], 0, _FARTHEST)  # of fewer images than neighbors, the farthest
        first, second = usable[pairs].T
        best = np.maximum(self._best_crop(first, second), self._best_crop(second, first))
        close = 1 - best <= _CLOSER * room[pairs].min(axis=1)
        likely = np.flatnonzero(~close & (best > _SAME))
        close[likely] = self._correlation(first[likely], second[likely]) >= _SAME
        close &= np.abs(colors[first].astype(np.float32) - colors[second]).max(axis=1) <= _COLOR_LEVELS
        return np.stack([first, second], axis=1)[close]

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Pixels and histograms of oriented gradients (Dalal and Triggs 2005), of at most 32 x 32 pixels."""
        found = []
        for start in range(0, len(rows), _CHUNK):
            pixels = torch.from_numpy(self._read(rows[start : start + _CHUNK])).float()
            if max(pixels.shape[2:]) > _MOST_PIXELS:
                pixels = interpolate(pixels, (_MOST_PIXELS, _MOST_PIXELS), mode="bilinear", antialias=True)
            flat = pixels.flatten(1)
            unit = flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-6)
            gradients = [_gradients(pixels.mean(1).numpy())] if min(pixels.shape[2:]) >= _FEWEST_PIXELS else []
            found.append(np.concatenate([unit.numpy(), *gradients], axis=1))
        return np.concatenate(found)

    @property
    def _tiny(self) -> bool:
        """Whether the images have too few pixels for copies to be told from chance."""
        return min(self._read(np.arange(1)).shape[2:]) < _FEWEST_PIXELS

    @cached_property
    def _described(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Hashes (N, variants, 63) float16 of length 1, thumbnails (N, C * 16) uint8, which (N,) are of one color."""
        hashes = np.zeros((self._count, _VARIANTS, _HASH**2 - 1), dtype=np.float16)
        colors, flat = [], np.zeros(self._count, dtype=bool)
        for start in range(0, self._count, _CHUNK):
            chosen = np.arange(start, min(start + _CHUNK, self._count))
            pixels = torch.from_numpy(self._read(chosen))
            flat[chosen] = (pixels.amax(dim=(2, 3)) == pixels.amin(dim=(2, 3))).all(dim=1).numpy()
            square = _square(pixels.float())
            colors.append(
                interpolate(square, (_COLORS, _COLORS), mode="area").flatten(1).round().to(torch.uint8).numpy()
            )
            hashes[chosen] = _hashed(square.mean(1)).numpy()
        return hashes, np.concatenate(colors), flat

    def _best_crop(self, cropped: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """(P,) the cosine similarity of the most similar crop of the first with the second."""
        hashes = self._described[0]
        found = np.empty(len(cropped), dtype=np.float32)
        for start in range(0, len(cropped), 100_000):
            part = slice(start, start + 100_000)
            crops, other = hashes[cropped[part]].astype(np.float32), hashes[whole[part], 0].astype(np.float32)
            found[part] = np.einsum("pcd,pd->pc", crops, other).max(axis=1)
        return found

    def _correlation(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """(P,) of the pixels of pairs."""
        found = np.empty(len(first), dtype=np.float32)
        for start in range(0, len(first), _CHUNK):
            part = slice(start, start + _CHUNK)
            one, other = (_centered(self._read(rows[part])) for rows in (first, second))
            found[part] = (one * other).sum(axis=1)
        return found


def _square(pixels: Tensor) -> Tensor:
    return interpolate(pixels, (_SIDE, _SIDE), mode="bilinear", antialias=True)


def _centered(pixels: np.ndarray) -> np.ndarray:
    flat = pixels.reshape(len(pixels), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _hashed(gray: Tensor) -> Tensor:
    """(B, 64, 64) -> (B, variants, 63): coefficients but the constant one, of each crop and blur, of length 1."""
    axes = [_cosines(*crop) for crop in _CROPS]
    found = torch.stack([axes[down] @ gray @ axes[across].T for down, across in _PAIRS_OF_CROPS], dim=1)
    steps = torch.arange(_HASH) / (_HASH - 1)
    falls = [torch.exp(-((blur * steps[:, None]) ** 2) - (blur * steps) ** 2) for blur in _BLURS]
    found = torch.cat([found, *(found[:, :1] * fall for fall in falls)], dim=1)
    vectors = found.flatten(2)[:, :, 1:]
    return vectors / vectors.norm(dim=2, keepdim=True).clamp(min=1e-6)


def _cosines(begin: float, end: float) -> Tensor:
    """(8, 64): the lowest cosines over the part [begin, end] of an axis of 64 pixels, sampled linearly."""
    side = torch.arange(_SIDE)
    places = ((begin + (end - begin) * (side + 0.5) / _SIDE) * _SIDE - 0.5).clamp(0, _SIDE - 1)
    sampled = (1 - (places[:, None] - side).abs()).clamp(min=0)
    waves = torch.cos(torch.pi * torch.arange(_HASH)[:, None] * (side + 0.5) / _SIDE)
    waves[0] /= 2**0.5
    return waves @ sampled / _SIDE


def _gradients(gray: np.ndarray) -> np.ndarray:
    """(B, H, W) -> (B, F): the square roots of the shares of nine orientations in each of about 7 x 7 cells."""
    down, across = np.gradient(gray, axis=(1, 2))
    strength, angle = np.hypot(down, across), (np.arctan2(down, across) % np.pi) / np.pi * 9
    low = np.floor(angle).astype(np.int64) % 9
    share = angle - np.floor(angle)
    cell = max(2, min(gray.shape[1:]) // 7)
    high, wide = gray.shape[1] // cell, gray.shape[2] // cell
    found = np.zeros((len(gray), high, wide, 9), dtype=np.float32)
    for orientation in range(9):
        voted = strength * ((low == orientation) * (1 - share) + ((low + 1) % 9 == orientation) * share)
        cells = voted[:, : high * cell, : wide * cell].reshape(len(gray), high, cell, wide, cell)
        found[..., orientation] = cells.sum(axis=(2, 4))
    flat = found.reshape(len(gray), -1)
    return np.sqrt(flat / np.maximum(flat.sum(axis=1, keepdims=True), 1e-6))
