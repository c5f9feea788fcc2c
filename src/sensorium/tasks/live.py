"""Audio that comes in: what a task makes of it while it does."""

from abc import ABC, abstractmethod

import numpy as np

from sensorium.output import Record


class Live(ABC):
    """One recording that comes in: results as soon as they are known. sample_rate: hertz of the samples."""

    sample_rate: int

    @abstractmethod
    def push(self, samples: np.ndarray) -> list[Record]:
        """What is new after more samples (n,) float32."""

    @abstractmethod
    def finish(self) -> list[Record]:
        """What is new after the end; nothing is pushed any more."""
