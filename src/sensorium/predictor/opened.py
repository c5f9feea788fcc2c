"""A checkpoint opened for prediction: its model on a device, and what it says of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sensorium import checkpoint
from sensorium.build import device_of, model_of
from sensorium.evaluator.arithmetic import judging_precision
from sensorium.specs import Spec


@dataclass(frozen=True)
class Opened:
    """spec: what the model was trained for. model: in evaluation mode, on the CPU until a predictor takes it."""

    spec: Spec
    model: nn.Module
    device: torch.device
    precision: str
    memory_format: str
    decoding: dict[str, Any]  # as training was told

    @property
    def model_arguments(self) -> dict[str, Any]:
        """What makes the model ready to answer, beside its spec (`evaluator.ready.Ready`)."""
        return {
            "model": self.model,
            "device": self.device,
            "precision": self.precision,
            "memory_format": self.memory_format,
        }


def open_checkpoint(path: Path, *, accelerator: str = "auto", trust: bool = False) -> Opened:
    """accelerator: cpu, gpu, mps or auto. trust: build targets that are not Sensorium's own."""
    loaded = checkpoint.read(path)
    return Opened(
        spec=loaded.spec,
        model=model_of(loaded, trust=trust),
        device=device_of(accelerator),
        precision=judging_precision(loaded.config["trainer"]["precision"], loaded.spec),
        memory_format=loaded.config["memory_format"],
        decoding=loaded.config.get("decoding", {}),
    )
