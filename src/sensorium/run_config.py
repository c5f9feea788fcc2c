"""The config of one training, from the start: frozen, typed, and the same thing that config.yaml holds.

What the command line composed is checked, then becomes a `RunConfig`; what is "auto" in it is resolved once
(`training.resolve`), into another one. Nothing edits a config.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from sensorium.errors import RunError

Section = Mapping[str, Any]


def _empty() -> Section:
    return {}


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Keys and their meaning are those of configs/train.yaml. A section is a read-only mapping.

    Defaults are what a config written by an earlier version, which did not have the key, meant.
    """

    dataset: Section
    model: Section
    trainer: Section
    optimizer: Section
    scheduler: Section
    task: Section
    callbacks: Section
    augment: Section = field(default_factory=_empty)
    learning: Section = field(default_factory=_empty)
    logger: Section = field(default_factory=_empty)
    decoding: Section = field(default_factory=_empty)
    dataset_name: str = ""
    model_name: str = ""
    seed: int = 0
    batch_size: int | Literal["auto", "find"] = 64
    eval_batch_size: int = 256
    batch_tokens: int | None = None
    lr: float | Literal["find"] = 1e-3
    label_smoothing: float = 0.0
    labels_per_class: int | None = None
    labels_seed: int = 0
    epoch_batches: int | None = None
    class_weights: Literal["balanced"] | None = None
    run_root: str = "runs"
    resume: str | None = None
    on_bad: Literal["fail", "skip"] = "fail"
    workers: int = 2
    threads: int | Literal["auto"] = "auto"
    memory_format: str = "auto"
    compile: bool = False
    force: bool = False
    trace: int | None = None
    show_batch: int | None = None
    test: bool = True
    calibration: Literal["auto", "none"] = "none"
    ood: Literal["auto", "none"] = "none"
    explanation: Literal["auto", "none"] = "none"

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, one.name, _frozen(value))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """From plain types, as `to_dict` gives them. Raises RunError for a stored config that lacks a section."""
        known = {one.name for one in fields(cls)}
        try:
            return cls(**{key: value for key, value in values.items() if key in known and value is not None})
        except TypeError as error:
            raise RunError(f"This config is incomplete: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as config.yaml and checkpoints store it."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    def with_values(self, section: str, **values: Any) -> "RunConfig":
        """Another config with other values in one of the sections."""
        changes: dict[str, Any] = {section: {**getattr(self, section), **values}}
        return replace(self, **changes)

    @property
    def method(self) -> str | None:
        """The class of another way to learn than from labels alone; None for supervised learning."""
        target = self.learning.get("_target_")
        return str(target).rpartition(".")[2] if target else None

    @property
    def peak_lr(self) -> float:
        """lr, once it is resolved."""
        return float(self.lr)

    @property
    def step_size(self) -> int:
        """batch_size, once it is resolved."""
        return int(self.batch_size)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(inner) for key, inner in value.items()})
    return [_frozen(inner) for inner in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
