"""The input of a module of a network, captured by a hook."""

from threading import get_ident
from typing import Any

from torch import Tensor, nn

from sensorium.errors import RequestError


class FeatureHook:
    """Holds what entered `model.PART` when this thread called the model last: several may share it.

    Raises RequestError for a model without such a part.
    """

    def __init__(self, model: nn.Module, part: str) -> None:
        module = getattr(model, part, None)
        if not isinstance(module, nn.Module):
            raise RequestError(f"{type(model).__name__} has no part named {part!r}, where its features could be taken.")
        self._found: Tensor | None = None
        self._thread = get_ident()
        self._handle = module.register_forward_pre_hook(self._see)

    def _see(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if get_ident() == self._thread:
            self._found = arguments[0]

    def take(self) -> Tensor:
        """What entered, once: it is forgotten then."""
        found, self._found = self._found, None
        if found is None:
            raise RuntimeError("Nothing has entered since it was taken last.")
        return found

    def remove(self) -> None:
        """Leaves the model as it was."""
        self._handle.remove()


def as_vectors(features: Tensor) -> Tensor:
    """(B, F) as they are; (B, F, H, W) maps averaged over their places, (B, T, F) sequences over their steps."""
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    return features.mean(dim=1) if features.ndim == 3 else features
