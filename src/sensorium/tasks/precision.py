"""The arithmetic a model is trained and evaluated in."""

from contextlib import AbstractContextManager, nullcontext

import torch

from sensorium.errors import unknown

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The arithmetic of a `trainer.precision`."""
    if precision not in PRECISIONS:
        raise unknown("precision (trainer.precision)", precision, PRECISIONS)
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16-mixed" else torch.float16)
