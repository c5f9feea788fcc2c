"""Why this tag."""

from functools import partial

import torch
from torch import Tensor, nn

from sensorium.specs import ImageTaggingSpec
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, chosen_targets
from sensorium.tasks.image_explanations import METHODS, ImagesExplainer
from sensorium.tasks.image_tagging.evaluate import THRESHOLD


class ImageTaggingExplainer(ImagesExplainer):
    """Maps of the logits of tags; curves of their probabilities. Without target= it explains the tags that an image
    has, or the most probable one where it has none.
    """

    spec: ImageTaggingSpec

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        super().__init__(model, options, METHODS)
        self.threshold = THRESHOLD if options.threshold is None else options.threshold

    def prepared(self, example: Example, image: Tensor, size: tuple[int, int]) -> Prepared:
        names = self.spec.class_names
        with torch.no_grad():
            probabilities = self.forward(self.network, image[None]).float().sigmoid()[0].cpu()
        if not torch.isfinite(probabilities).all():
            return Prepared(name=example.name, error=not_finite(example.name))
        given = max(1, int((probabilities >= self.threshold).sum()))
        best = probabilities.argsort(descending=True)[: self.options.top_k or given].tolist()
        numbers = chosen_targets(self.options.target, names, best, example.truth)
        return self.of(
            example,
            image,
            [Target(names[number], float(probabilities[number])) for number in numbers],
            score=partial(self._logits, numbers=numbers),
            measure=partial(self._probabilities, numbers=numbers),
        )

    def _logits(self, network: nn.Module, images: Tensor, *, numbers: list[int]) -> Tensor:
        found: Tensor = self.forward(network, images)[:, numbers]
        return found

    def _probabilities(self, network: nn.Module, images: Tensor, *, numbers: list[int]) -> Tensor:
        return self._logits(network, images, numbers=numbers).sigmoid()
