"""The sections of a training's config that name a class or function, checked against the source of what they name."""

from collections.abc import Iterator, Mapping
from typing import Any

from sensorium.annotations import choices, described, fits
from sensorium.cli.schema import RULES, removed
from sensorium.cli.signatures import signature_of
from sensorium.errors import RequestError, not_possible, unknown

TARGETS = ("dataset", "model", "augment", "optimizer", "scheduler", "task")  # one object each
PARTIAL = ("optimizer", "scheduler")  # built when the parameters are known
_NOT_FOR_TARGETS = {
    # What happens to a model once it is built.
    "model": tuple(key.partition(".")[2] for key in RULES["train"] if key.startswith("model.")),
    "optimizer": ("lr",),  # it is the key lr that counts
    "learning": ("strong",),  # auto, until the data is known
    "logger": ("package", "extra"),
}
# Here a key may be for Sensorium and not for the target.
_MORE_KEYS = ("learning", "logger", "callbacks", "task")
_OWN_WORDS = ("_target_", "_partial_", "_convert_", "_recursive_")
# Names that come from the data, never from a config.
_OF_DATA = ("in_channels", "num_classes", "image_size", "vocab_size", "pad_id", "context", "params", "optimizer")


def check(config: Mapping[str, Any]) -> None:
    """Raises RequestError for a section that cannot be built: no class, an unknown key, a value of another type."""
    for name in (*TARGETS, "learning", "callbacks", "logger"):
        if name not in config:
            raise removed(name)
        value = config[name]
        if not (isinstance(value, Mapping) or (name == "logger" and value is None)):
            raise not_possible(name, value, f"keys with values; sensorium list what={name} has the choices")
    for name, callback in config["callbacks"].items():
        if not (callback is None or (isinstance(callback, Mapping) and (not callback or "_target_" in callback))):
            raise not_possible(f"callbacks.{name}", callback, "null, or a section with a _target_")
    for section in (*TARGETS, "learning", "callbacks", "logger"):
        for path, found in _with_target(section, config.get(section)):
            _check_target(section, path, found)


def _with_target(path: str, value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping with a `_target_` in a section, with its dotted path."""
    if isinstance(value, Mapping):
        if value.get("_target_") is not None:
            yield path, value
        for key, inner in value.items():
            yield from _with_target(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _with_target(path, inner)


def _check_target(section: str, path: str, found: Mapping[str, Any]) -> None:
    target = found["_target_"]
    if not isinstance(target, str) or not all(part.isidentifier() for part in target.split(".")):
        raise not_possible(f"{path}._target_", target, "the dotted path of a class or function, such as package.Class")
    if bool(found.get("_partial_")) != (path in PARTIAL):
        raise RequestError(f"{path}._partial_ has to be {'true' if path in PARTIAL else 'omitted'}.")
    signature = signature_of(target, f"{path}._target_")
    if signature is None:
        return
    skipped = _NOT_FOR_TARGETS.get(path, ())
    for key, value in found.items():
        if key in skipped or key in _OWN_WORDS:
            continue
        if key not in signature.parameters:
            if not signature.takes_any and section not in _MORE_KEYS:
                known = [name for name in signature.parameters if name not in _OF_DATA or name in found]
                raise unknown(f"key in {path} ({target.rpartition('.')[2]})", str(key), known)
            continue
        wanted = signature.parameters[key]
        if not fits(wanted, value):
            raise not_possible(f"{path}.{key}", value, described(wanted), choices(wanted))
