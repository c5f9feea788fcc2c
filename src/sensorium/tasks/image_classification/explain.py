"""Why this class, and not that one."""

from functools import partial

import torch
from torch import Tensor, nn

from sensorium.specs import ImageClassificationSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, chosen_targets
from sensorium.tasks.image_explanations import METHODS, ImagesExplainer


class ImageClassificationExplainer(ImagesExplainer):
    """Maps of the logits of classes; curves of their probabilities."""

    spec: ImageClassificationSpec

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        super().__init__(model, options, METHODS)

    def prepared(self, example: Example, image: Tensor, size: tuple[int, int]) -> Prepared:
        names = self.spec.class_names
        with torch.no_grad():
            probabilities = self.forward(self.network, image[None]).float().softmax(1)[0].cpu()
        if not torch.isfinite(probabilities).all():
            return Prepared(name=example.name, error=not_finite(example.name))
        best = probabilities.topk(min(self.options.top_k or 1, len(names))).indices.tolist()
        numbers = chosen_targets(self.options.target, names, best, example.truth)
        targets = [Target(names[number], float(probabilities[number])) for number in numbers]
        return self.of(
            example,
            image,
            targets,
            score=partial(self._logits, numbers=numbers),
            measure=partial(self._probabilities, numbers=numbers),
        )

    def _logits(self, network: nn.Module, images: Tensor, *, numbers: list[int]) -> Tensor:
        found: Tensor = self.forward(network, images)[:, numbers]
        return found

    def _probabilities(self, network: nn.Module, images: Tensor, *, numbers: list[int]) -> Tensor:
        found: Tensor = self.forward(network, images).softmax(1)[:, numbers]
        return found
