"""Which method of attribution a model is explained by: chosen on validation examples, kept in the checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sensorium.attribution.methods import METHODS

MOST_EXAMPLES = 8  # that a method is chosen by
FEWEST_EXAMPLES = 4
STEPS = 20  # of gradients while methods are compared
_MOST_FLOPS = {"cpu": 2e11, "cuda": 2e13}  # of a choice: about ten seconds on one core


@dataclass(frozen=True)
class ExplanationChoice:
    """method: of `METHODS`. score: its mean insertion minus deletion on so many validation `examples`. others: that of
    the other methods that fit the model, by name.
    """

    method: str
    score: float
    examples: int
    others: Mapping[str, float]

    def line(self) -> str:
        """What a person reads after a training."""
        return f"explanations: {self.why()} (insertion - deletion on {self.examples} validation examples)"

    def why(self) -> str:
        """The method and its score, and those of the others."""
        others = ", ".join(f"{name} {score:.3f}" for name, score in self.others.items())
        return f"{self.method} {self.score:.3f}" + (f"; {others}" if others else ", the only one that fits")

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as a checkpoint stores it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> "ExplanationChoice":
        """The inverse of `to_dict`. Raises ValueError with what is wrong."""
        if not isinstance(values, Mapping) or not isinstance(values.get("others"), Mapping):
            raise ValueError("it is no table")
        scores = {values.get("method"): values.get("score"), **values["others"]}
        if any(name not in METHODS or not isinstance(score, float) for name, score in scores.items()):
            raise ValueError("it names no method, or a score is no number")
        if not isinstance(values.get("examples"), int):
            raise ValueError("examples is no count")
        return cls(values["method"], values["score"], values["examples"], dict(values["others"]))


def affordable(flops: float, device: str) -> int:
    """How many examples a choice is made on, given the operations of one."""
    return min(MOST_EXAMPLES, int(_MOST_FLOPS.get(device, _MOST_FLOPS["cpu"]) // max(1.0, flops)))
