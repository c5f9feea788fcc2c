"""Files beside predictions, such as overlays."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class Artifacts(ABC):
    """Writes files that belong to predictions."""

    @abstractmethod
    def write(self, prediction: Any) -> Any:
        """Writes those of one prediction; the prediction, naming them where its record does."""

    def targets(self) -> list[Path]:
        """The files that it may write, as far as they are known before anything is predicted."""
        return []

    def notes(self) -> list[str]:
        """Notes for the user on the files, once all are written: a line each."""
        return []
