"""What a prediction says where no score reaches the threshold: the highest one, and a threshold that it reaches."""

from collections.abc import Sequence

import numpy as np

from sensorium.data.base import counted


class ThresholdNotes:
    """Counts inputs with and without a result. what: what a score is of, such as "box"."""

    def __init__(self, threshold: float, what: str) -> None:
        self._threshold, self._what = threshold, what
        self._inputs, self._highest = 0, 0.0

    def add(self, scores: np.ndarray | Sequence[float]) -> None:
        """The scores of one input, of any number."""
        self._inputs += 1
        self._highest = max(self._highest, *map(float, scores), 0.0)

    def lines(self) -> list[str]:
        """A note where no input has a result, and none where some have: inputs without any are usual."""
        if not self._inputs or not 0 < self._highest < self._threshold:
            return []
        lower = float(f"{self._highest / 2:.1g}")
        return [
            f"no {self._what} in {counted(self._inputs, 'image')}: the highest score, {self._highest:.2g}, is below"
            f" threshold={self._threshold:g}; try threshold={lower:g}"
        ]
