"""The input of a module of a network, captured by a hook."""

from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

import numpy as np
from torch import Tensor, nn

from sensorium.errors import RequestError

HEAD = "head"  # the part of every model whose input are its penultimate features


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


def watched(model: nn.Module, call: Callable[..., Any], inputs: Iterable[Tensor]) -> tuple[Any, np.ndarray]:
    """What `call` gives for `inputs` (B, ...), and the penultimate features (B, F) float32 that the model makes then:
    what enters its head, maps averaged over their places.

    Raises RequestError for a model without a head that one vector of each example enters.
    """
    hook = FeatureHook(model, HEAD)
    try:
        result = call(*inputs)
        features = hook.take()
    finally:
        hook.remove()
    if features.ndim not in (2, 4):  # of a sequence, a mean over its steps would count the padding
        raise RequestError(f"{type(model).__name__}: what enters its head is no vector of each example")
    return result, as_vectors(features).detach().float().cpu().numpy()
