"""Which words support a class, and which oppose it."""

from typing import Any

from torch import Tensor

from sensorium.specs import TextClassificationSpec
from sensorium.tasks.explaining import Target
from sensorium.tasks.explanation import Example, chosen_targets
from sensorium.tasks.text_explanations import TextsExplainer


class TextClassificationExplainer(TextsExplainer):
    """Maps of the logits of classes; curves of their probabilities."""

    spec: TextClassificationSpec

    def targets(self, example: Example, logits: Tensor) -> tuple[list[int], list[Target]]:
        names, probabilities = self.spec.class_names, logits.softmax(0)
        best = probabilities.topk(min(self.options.top_k or 1, len(names))).indices.tolist()
        numbers = chosen_targets(self.options.target, names, best, example.truth)
        return numbers, [Target(names[number], float(probabilities[number])) for number in numbers]

    def functions(self, numbers: list[int], whole: Tensor, empty: Tensor) -> tuple[Any, Any, Tensor | None]:
        return (lambda logits: logits[:, numbers]), (lambda logits: logits.softmax(1)[:, numbers]), None
