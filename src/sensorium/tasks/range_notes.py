"""What a prediction says about images of more than 8 bits: that they use little of their range, or exceed it."""

from sensorium.data.base import counted
from sensorium.data.vision.pixel_range import written
from sensorium.vision.depth import FULL_RANGE, Extent, PixelRange

_CLIPPED = 0.05  # share of an image's values beyond the range from which it is counted; a range leaves out a few always
_DARK = 0.25  # share of the range below which all values of all images lie when they were meant for another


class RangeNotes:
    """Counts images. pixel_range: what they are brought to; None for the full range of their files. given: whether that
    was asked for, rather than in the checkpoint.
    """

    def __init__(self, pixel_range: PixelRange | None, *, given: bool) -> None:
        self._range, self._given = pixel_range, given
        self._deep = self._clipped = self._eight = 0
        self._low, self._high = float("inf"), float("-inf")

    def add(self, used: Extent | None) -> None:
        """One image; None is one of 8 bits."""
        if used is None:
            self._eight += 1
            return
        self._deep += 1
        self._clipped += used.outside > _CLIPPED
        self._low, self._high = min(self._low, used.low), max(self._high, used.high)

    def lines(self) -> list[str]:
        """A note each."""
        lines = []
        low, high = self._range or FULL_RANGE
        seen, full = written((self._low, self._high)) if self._deep else "", written((low, high))
        if self._clipped:
            share = f"{100 * _CLIPPED:.0f}% of their values"
            lines.append(
                f"pixel_range: {counted(self._clipped, 'image')} of {self._deep:,} have over {share} outside of {full},"
                f" where they are clipped; all values run from {seen}. pixel_range=[low,high] sets another range"
            )
        elif self._deep and self._high < low + _DARK * (high - low):
            bits = max(8, int(self._high).bit_length())
            lines.append(
                f"pixel_range: the values of {counted(self._deep, 'image')} of more than 8 bits run from {seen}, little"
                f" of the {full} that is black to white: they look dark.\nFor {bits} bits set"
                f" pixel_range=[0,{2**bits - 1}]"
            )
        if self._eight and self._range is not None and (self._given or self._deep):
            lines.append(f"pixel_range: {counted(self._eight, 'image')} of 8 bits taken as 0 to 255")
        return lines
