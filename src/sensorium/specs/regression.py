"""Images or texts with one or several numbers each."""

from dataclasses import dataclass
from typing import Any

from sensorium.specs.base import LogitsSpec
from sensorium.specs.image import ImageInputSpec
from sensorium.specs.text import TextInputSpec


@dataclass(frozen=True, kw_only=True)
class RegressionSpec(LogitsSpec):
    """What is predicted: K numbers for each example, from any model that gives K logits.

    target_names: of the numbers. target_mean, target_std: of each over the training split; models learn standardized
    targets, (target - mean) / std.
    """

    task = "regression"

    target_names: tuple[str, ...]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        return self.target_names

    @property
    def num_classes(self) -> int:
        """Outputs of a model: one for each target."""
        return len(self.target_names)

    @property
    def target_offers(self) -> dict[str, Any]:
        """The constructor arguments that follow from the targets."""
        return {"num_classes": self.num_classes, "target_std": self.target_std}

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the standardized predictions for `example`."""
        return (1, self.num_classes)

    @property
    def _targets(self) -> str:
        return f"{self.num_classes} number{'' if self.num_classes == 1 else 's'} each"


@dataclass(frozen=True, kw_only=True)
class ImageRegressionSpec(ImageInputSpec, RegressionSpec):
    """Images with one or several numbers each."""

    modality = "image"

    @property
    def offers(self) -> dict[str, Any]:
        return {"in_channels": self.in_channels, "image_size": self.image_size, **self.target_offers}

    def __str__(self) -> str:
        return f"{super().__str__()}, {self._targets}"


@dataclass(frozen=True, kw_only=True)
class TextRegressionSpec(TextInputSpec, RegressionSpec):
    """Texts with one or several numbers each."""

    modality = "text"

    @property
    def offers(self) -> dict[str, Any]:
        return {"vocab_size": self.vocab_size, "pad_id": self.pad_id, **self.target_offers}

    def __str__(self) -> str:
        return f"{super().__str__()}, {self._targets}"
