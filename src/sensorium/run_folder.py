"""Paths inside a run folder. No torch: what only needs to know where things lie starts at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class RunFolder:
    """Paths inside a run folder."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def history(self) -> Path:
        return self.folder / "metrics.csv"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def summary(self) -> Path:
        """What the training came to: the monitored validation metric, parameters, seconds."""
        return self.folder / "summary.json"

    @property
    def log(self) -> Path:
        """What was printed."""
        return self.folder / "train.log"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def previous(self) -> Path:
        """The one before `last`, used when `last` cannot be read."""
        return self.checkpoints / "previous.ckpt"

    def read_config(self) -> dict[str, Any]:
        return yaml.safe_load(self.config.read_text())
