"""A quarter of Lightning's start (docs/decisions/0007): it imports all of torchmetrics for two classes, and with it
torchvision's models and, for the sake of a third package, SciPy's signal processing. Nothing is taken away here:
torchmetrics is whole at its first other use.
"""

import importlib
import importlib.util
import logging
import sys
from types import ModuleType
from typing import Any

# Where torchmetrics/__init__.py has the only names from that Lightning asks it for.
_NEEDED = {"Metric": "torchmetrics.metric", "MetricCollection": "torchmetrics.collections"}


class _LazyPackage(ModuleType):
    """A package whose __init__ runs when a name is asked for that cannot be had without."""

    def __getattr__(self, name: str) -> Any:
        if name in _NEEDED:
            try:
                importlib.import_module("torchmetrics.utilities")  # first: it and torchmetrics.metric import each other
                return getattr(importlib.import_module(_NEEDED[name]), name)
            except (ImportError, AttributeError):  # another version, with other insides: the whole package, below
                pass
        if name == "_logger":
            return logging.getLogger("torchmetrics")
        if name == "__version__":
            return importlib.import_module("torchmetrics.__about__").__version__
        spec = self.__spec__
        if name.startswith("__") or spec is None or spec.loader is None:
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def lighten() -> None:
    """To be called before Lightning is imported; does nothing when torchmetrics is there already."""
    spec = importlib.util.find_spec("torchmetrics")
    if "torchmetrics" not in sys.modules and spec is not None:
        package = importlib.util.module_from_spec(spec)
        package.__class__ = _LazyPackage
        sys.modules["torchmetrics"] = package
