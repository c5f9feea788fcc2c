"""Which times and frequencies of a recording support a class."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_explanations import Recording, RecordingsExplainer
from sensorium.tasks.base import LoadedModel, not_finite
from sensorium.tasks.explaining import Prepared, Target
from sensorium.tasks.explanation import Example, ExplainOptions, chosen_targets
from sensorium.tasks.inference import InferenceModel


class AudioClassificationExplainer(RecordingsExplainer):
    """Maps of the logits of classes over time and frequency; curves of their probabilities."""

    spec: AudioClassificationSpec

    def __init__(self, model: LoadedModel, options: ExplainOptions) -> None:
        inference: InferenceModel[Any] = InferenceModel(spec=model.spec, **model.model_arguments)
        super().__init__(model, options, inference.model)

    def call(self, network: nn.Module, features: Tensor) -> Tensor:
        """features: (N, T, F); logits (N, K) in float32, with gradients."""
        lengths = torch.full((len(features),), features.shape[1], device=features.device)
        found: Tensor = network(features, lengths).float()
        return found

    def prepared(self, example: Example, recording: Recording, features: Tensor) -> Prepared:
        with torch.no_grad():
            probabilities = self.call(self.network, features[None]).softmax(1)[0].cpu()
        if not torch.isfinite(probabilities).all():
            return Prepared(name=example.name, error=not_finite(example.name))
        names = self.spec.class_names
        best = probabilities.topk(min(self.options.top_k or 1, len(names))).indices.tolist()
        numbers = chosen_targets(self.options.target, names, best, example.truth)
        return Prepared(
            name=example.name,
            subject=self.subject(
                features,
                score=partial(self._logits, numbers=numbers),
                measure=partial(self._probabilities, numbers=numbers),
            ),
            targets=tuple(Target(names[number], float(probabilities[number])) for number in numbers),
            shown=recording,
        )

    def _logits(self, network: nn.Module, features: Tensor, *, numbers: list[int]) -> Tensor:
        return self.call(network, features)[:, numbers]

    def _probabilities(self, network: nn.Module, features: Tensor, *, numbers: list[int]) -> Tensor:
        return self.call(network, features).softmax(1)[:, numbers]
