"""The base of all data specs."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class AnySpec(ABC):
    """What all have in common: the task, and plain types for a checkpoint."""

    task: ClassVar[str]  # the name of the task this data is for
    modality: ClassVar[str | None] = None  # of the inputs, where the task alone does not tell: "image", "text"
    unit: ClassVar[str]  # one example, in a word
    inputs: ClassVar[tuple[str, ...]]  # what a model's forward is called with, by name

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes or tags that a model tells apart; () where there are none."""
        return ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the numbers that a model predicts; () where there are none."""
        return ()

    def predicts_as(self, other: "AnySpec") -> bool:
        """Whether models of both kinds of data say the same of an example: the same task, inputs, classes, targets."""
        mine, others = ((one.task, one.modality, one.classes, one.targets) for one in (self, other))
        return mine == others

    @property
    def embedded_tokenizer(self) -> dict[str, Any] | None:
        """Of the one vocabulary that a model embeds; None for data without one."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, as a checkpoint stores it."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {"task": self.task} | ({"modality": self.modality} if self.modality else {}) | values

    def example_size(self, length: int) -> str:
        """How large `example(length)` is, in words."""
        return f"{length} tokens"

    @abstractmethod
    def fault(self, found: Any) -> str | None:
        """What is wrong with a model's answer to `example`, if anything: such as "gives (1, 9), not (1, 10)"."""


@dataclass(frozen=True, kw_only=True)
class ClassesSpec(AnySpec):
    """Data of which a model says something in terms of K classes. class_names: in the order of their numbers."""

    class_names: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.class_names

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


@dataclass(frozen=True, kw_only=True)
class LogitsSpec(AnySpec):
    """Data that a model answers with logits of one shape."""

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """Of the logits for `example`; -1 for the model's choice."""

    def fault(self, found: Any) -> str | None:
        logits = found[0] if isinstance(found, tuple) else found
        shape, wanted = tuple(getattr(logits, "shape", ())), self.output_shape
        fits = len(shape) == len(wanted) and all(w in (-1, n) for w, n in zip(wanted, shape, strict=True))
        return None if fits else f"gives {shape} for one {self.unit}, not {wanted}"
