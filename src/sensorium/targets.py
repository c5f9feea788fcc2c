"""A config's `_target_`, once it is imported and before it is called: is it for this section, and do its values fit?

What is rejected is rejected in words; a stranger's function is not called to find out.
"""

import inspect
import re
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from sensorium.annotations import as_asked, choices, described, fits
from sensorium.errors import RequestError, as_typed, listing, not_possible

# What a section builds: classes by their dotted names (Lightning is not imported for it), and in words.
_KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "model": (("torch.nn.modules.module.Module",), "a class of torch.nn.Module, or a function annotated to return one"),
    "optimizer": (("torch.optim.optimizer.Optimizer",), "a class of torch.optim.Optimizer"),
    "task": (("lightning.pytorch.core.module.LightningModule",), "a class of Lightning's LightningModule"),
    "learning": (
        ("lightning.pytorch.core.module.LightningModule", "sensorium.tasks.learning.semi_supervised.Method"),
        "a class of Lightning's LightningModule, or of sensorium.tasks.learning.semi_supervised.Method",
    ),
    "callbacks": (("lightning.pytorch.callbacks.callback.Callback",), "a class of Lightning's Callback"),
    "logger": (("lightning.pytorch.loggers.logger.Logger",), "a class of Lightning's Logger"),
}


def check_kind(section: str, target: str, found: Any) -> None:
    """Raises RequestError for an object that is neither class nor function, that is Python's own, or that builds
    something else than the section is for.
    """
    named = f"{section}._target_={target}"
    if not callable(found):
        raise RequestError(f"{named} is not possible: it is neither a class nor a function.")
    module = str(getattr(found, "__module__", None) or "builtins")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise RequestError(f"{named} is not possible: it is part of Python's standard library.")
    # What is nested in a section is what its constructor asks for; callbacks have names.
    wanted, said = _KINDS.get("callbacks" if re.fullmatch(r"callbacks\.\w+", section) else section, ((), ""))
    built = _built_by(found)
    if wanted and not set(wanted) & set(_ancestors(built)):
        raise RequestError(f"{named} is not possible. Allowed: {said}.")
    if section == "dataset" and not hasattr(built, "load"):
        raise RequestError(f"{named} is not possible. Allowed: a class with a method load.")


def _built_by(found: Any) -> Any:
    """The class that a call gives: a class itself, or what a function is annotated to return."""
    return found if inspect.isclass(found) else hints_of(found).get("return")


def _ancestors(built: Any) -> list[str]:
    """Dotted names of a class and all it inherits from."""
    bases = inspect.getmro(built) if inspect.isclass(built) else ()
    return [f"{base.__module__}.{base.__qualname__}" for base in bases]


def check_values(section: str, found: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section as its constructor asks for them. Raises RequestError for one that does not fit."""
    hints = hints_of(found.__init__ if inspect.isclass(found) else found)
    given = {}
    for key, value in values.items():
        wanted = hints.get(key, Any)
        if not fits(wanted, value):
            raise not_possible(f"{section}.{key}", value, described(wanted), choices(wanted))
        given[key] = as_asked(wanted, value)
    return given


def hints_of(function: Any) -> dict[str, Any]:
    """Annotations as objects; none where one of them names what is only there for a type checker."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}


def refused(section: str, values: Mapping[str, Any], error: Exception) -> RequestError:
    """The error for what a constructor did not take: its own words, and the values it was given if they name none."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    plain = [f"{key}={as_typed(value)}" for key, value in values.items() if not isinstance(value, Mapping)]
    named = any(re.search(rf"\b{re.escape(key)}\b", line) for key in values)
    shown = f"\nIt was given {listing(plain, limit=12)}." if plain and not named else ""
    return RequestError(f"{section}: {_shortened(line)}{shown}")


def _shortened(text: str) -> str:
    """A message of third-party code, short enough for a line or two."""
    return text if len(text) <= 300 else f"{text[:297]}..."


def check_sizes(section: str, values: Mapping[str, Any], model: nn.Module) -> None:
    """Rejects a model with parameters that hold no numbers: some size it was given is zero."""
    empty = [name for name, parameter in model.named_parameters() if _is_empty(parameter)]
    if empty:
        sizes = [f"{section}.{key}={as_typed(value)}" for key, value in values.items() if value == 0]
        raise RequestError(
            f"{section}: {empty[0]} has no elements; sizes start at 1."
            + (f" Look at {listing(sizes, limit=5)}." if sizes else "")
        )


def _is_empty(parameter: nn.Parameter) -> bool:
    """A lazy layer's parameter has no shape before its first input."""
    return not isinstance(parameter, nn.UninitializedParameter) and parameter.numel() == 0
