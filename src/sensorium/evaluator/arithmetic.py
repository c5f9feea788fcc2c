"""The arithmetic a model is trained and judged in."""

from contextlib import AbstractContextManager, nullcontext

import torch

from sensorium.errors import unknown
from sensorium.specs import PictureSpec, Spec

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The arithmetic of a `trainer.precision`."""
    if precision not in PRECISIONS:
        raise unknown("precision (trainer.precision)", precision, PRECISIONS)
    if precision == "32-true":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16-mixed" else torch.float16)


def judging_precision(precision: str, spec: Spec) -> str:
    """What a model trained in `precision` is judged and used in: the same for pictures, and float32 for all else.

    Where lengths differ, half the digits would let padding decide which of two near hypotheses is the best.
    """
    return precision if isinstance(spec, PictureSpec) else "32-true"
