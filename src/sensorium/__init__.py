"""Sensorium: one command, and one package, that trains, evaluates and predicts for images, text and audio.

The Python API (module `sensorium.api`) is `load`, `train`, `report`, `check`, `Model` and `Run`. It imports
no torch:
the names are found when they are asked for. Nor does it import typing: under `python -m` the working directory is still
searched first, and a file typing.py there would run.
"""

import importlib

TYPE_CHECKING = False

__version__ = "0.1.0"
__all__ = [
    "Evaluation",
    "Explanation",
    "Finding",
    "Model",
    "Prediction",
    "RequestError",
    "Run",
    "RunError",
    "check",
    "load",
    "report",
    "train",
]

if TYPE_CHECKING:
    from typing import Any

    from sensorium.api import (
        Evaluation,
        Explanation,
        Finding,
        Model,
        Prediction,
        RequestError,
        Run,
        RunError,
        check,
        load,
        report,
        train,
    )


def __getattr__(name: str) -> "Any":
    if name in __all__:
        return getattr(importlib.import_module("sensorium.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
