"""What raises and what lowers a predicted number."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.specs import ImageRegressionSpec, RegressionSpec, TextRegressionSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.image_explanations import METHODS, ImagesExplainer
from sensorium.tasks.text_explanations import TextsExplainer


def departure(values: Tensor, whole: Tensor, empty: Tensor) -> Tensor:
    """Values (N, K) as shares of the way from that of the baseline (K,) to that of the input (K,): what curves of a
    number are drawn of, so that they compare whatever its unit is.
    """
    way = whole - empty
    return (values - empty) / torch.where(way == 0, torch.ones_like(way), way)


class ImageRegressionExplainer(ImagesExplainer):
    """Maps of the numbers in their own units, above 0 where a place raises them; curves of the share of the way from
    the prediction for the mean color to that for the image.
    """

    spec: ImageRegressionSpec

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        super().__init__(model, options, METHODS)

    def prepared(self, example: Example, image: Tensor, size: tuple[int, int]) -> Prepared:
        names = self.spec.target_names
        chosen = names if self.options.target is None else self.options.target
        numbers = [names.index(name) for name in chosen][: self.options.top_k]
        mean = torch.tensor(self.spec.mean, device=image.device)[:, None, None].expand_as(image)
        with torch.no_grad():
            whole, empty = self._values(self.network, torch.stack([image, mean]), numbers=numbers)
        if not torch.isfinite(whole).all():
            return Prepared(name=example.name, error=not_finite(example.name))
        return self.of(
            example,
            image,
            [Target(names[number], float(value)) for number, value in zip(numbers, whole, strict=True)],
            score=partial(self._values, numbers=numbers),
            measure=lambda network, images: departure(self._values(network, images, numbers=numbers), whole, empty),
            direction=torch.where(whole < empty, -1.0, 1.0),
        )

    def _values(self, network: nn.Module, images: Tensor, *, numbers: list[int]) -> Tensor:
        return in_units(self.spec, self.forward(network, images), numbers)


def in_units(spec: RegressionSpec, standardized: Tensor, numbers: list[int]) -> Tensor:
    """Standardized predictions (N, K) -> those of some targets in their own units."""
    found = standardized[:, numbers].float()
    std, mean = (torch.tensor(one).to(found)[numbers] for one in (spec.target_std, spec.target_mean))
    return found * std + mean


class TextRegressionExplainer(TextsExplainer):
    """Maps of the numbers in their own units, above 0 where a word raises them; curves of the share of the way from the
    prediction for unknown words to that for the text.
    """

    spec: TextRegressionSpec

    def targets(self, example: Example, logits: Tensor) -> tuple[list[int], list[Target]]:
        names = self.spec.target_names
        chosen = names if self.options.target is None else self.options.target
        numbers = [names.index(name) for name in chosen][: self.options.top_k]
        values = in_units(self.spec, logits[None], numbers)[0].tolist()
        return numbers, [Target(names[number], value) for number, value in zip(numbers, values, strict=True)]

    def functions(self, numbers: list[int], whole: Tensor, empty: Tensor) -> tuple[Any, Any, Tensor | None]:
        high, low = in_units(self.spec, torch.stack([whole, empty]), numbers)
        direction = torch.where(high < low, -1.0, 1.0).cpu()
        return (
            lambda logits: in_units(self.spec, logits, numbers),
            lambda logits: departure(in_units(self.spec, logits, numbers), high, low),
            direction,
        )
