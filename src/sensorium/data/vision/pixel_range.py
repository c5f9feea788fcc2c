"""The values of black and white in images of more than 8 bits: given, or chosen from a sample of the images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from sensorium.data.base import counted
from sensorium.errors import RequestError
from sensorium.vision.decode import UnreadableImage, read_values
from sensorium.vision.depth import FULL_RANGE, PixelRange, chosen_range, extent

PixelRangeSetting = Literal["auto"] | Sequence[float] | None

_VALUES = 1 << 16  # of an image, that are looked at
_KEY = "dataset.pixel_range"
_FARTHEST, _NARROWEST = 1e300, 1e-300


class _Sample(NamedTuple):
    """values: of each image of more than 8 bits, (N,) float64. whole: whether all of them are integers. eight: how many
    images have 8 bits.
    """

    values: list[np.ndarray]
    whole: bool
    eight: int

    @property
    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        return min(float(v.min()) for v in self.values), max(float(v.max()) for v in self.values)


def parse_range(value: PixelRangeSetting, key: str = _KEY) -> PixelRange | None:
    """[low, high] as such; None for "auto" and null. Raises RequestError for two numbers that are no range."""
    if value is None or value == "auto":
        return None
    pair: tuple[Any, ...] = () if isinstance(value, str) or not isinstance(value, Sequence) else tuple(value)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in pair)
    # Beyond these, an integer is no float, and what images are divided by is 0 or infinite.
    possible = numbers and len(pair) == 2 and all(abs(end) <= _FARTHEST for end in pair)
    if not possible or not pair[1] - pair[0] >= _NARROWEST:
        raise RequestError(f"{key}={value}: give [low,high], the values of black and white, such as [0,4095].")
    return float(pair[0]), float(pair[1])


def range_of(setting: PixelRangeSetting, paths: Sequence[Path]) -> tuple[PixelRange | None, list[str]]:
    """The range for images of which these are a sample, and notes about it.

    None where images are brought to 8 bits, each kind by its full range: as asked, or because none has more.
    """
    given, sample = parse_range(setting), _sampled(paths)
    if not sample.values:
        unused = f"pixel_range: the {counted(sample.eight, 'image')} inspected have 8 bits and keep their own range"
        return given, [f"{unused}, 0 to 255"] if given else []
    if setting is None:
        return None, [_taken_whole(sample)]
    chosen = given or chosen_range(sample.values)
    if given is None and sample.whole:
        chosen = (float(np.floor(chosen[0])), float(np.ceil(chosen[1])))
    clipped = extent(np.concatenate(sample.values), chosen).outside
    told = given is None or clipped or sample.eight
    return chosen, [_described(sample, chosen, clipped, chosen=given is None)] if told else []


def written(pixel_range: PixelRange) -> str:
    """ "0 to 4,095"."""
    return " to ".join(f"{end:,.0f}" if end == int(end) else f"{end:,.6g}" for end in pixel_range)


def _sampled(paths: Sequence[Path]) -> _Sample:
    values, whole, eight = [], True, 0
    for path in paths:
        try:
            found = read_values(path)
        except UnreadableImage:  # named when all are decoded
            continue
        if found is None:
            eight += 1
            continue
        whole &= found.dtype.kind != "f"
        flat = found.ravel().astype(np.float64)
        step = -(-flat.size // _VALUES) | 1  # odd, so that it does not run down a column
        ends = [flat.min(), flat.max()] if step > 1 else []
        values.append(np.concatenate([flat[::step], ends]))
    return _Sample(values, whole, eight)


def _described(sample: _Sample, found: PixelRange, clipped: float, *, chosen: bool) -> str:
    images = f"{counted(len(sample.values), 'image')} of more than 8 bits"
    words = [f"pixel_range: {written(found)}{', chosen from' if chosen else ';'} {images} inspected"]
    if clipped:
        share = f"{100 * clipped:.2g}%"
        words[0] += f", whose values run from {written(sample.extremes)}: {share} of them are clipped"
    if sample.eight:
        words.append(f"{counted(sample.eight, 'image')} of 8 bits taken as 0 to 255")
    if chosen:
        words.append(f"{_KEY}=[low,high] sets another")
    return "; ".join(words)


def _taken_whole(sample: _Sample) -> str:
    return (
        f"pixel_range: images of more than 8 bits are brought to 8 by the full range of their files,"
        f" {written(FULL_RANGE)} of 16 bits.\nThe values of {counted(len(sample.values), 'such image')} inspected run"
        f" from {written(sample.extremes)}; {_KEY}=[low,high] sets another"
    )
