"""Text classification: one class for each text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.data.text.labeled import cut_note
from sensorium.inspection.contents import Contents
from sensorium.report_sections import ReportExample
from sensorium.specs import TextClassificationSpec
from sensorium.tasks.base import LoadedModel, PredictOptions, SplitFacts
from sensorium.tasks.classification.certainty import CERTAINTY
from sensorium.tasks.classification.task import ClassificationTask
from sensorium.tasks.contents import joined, text_contents
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.graphs import Graph, token_inputs
from sensorium.tasks.preprocessing import AsStored
from sensorium.tasks.raw_inputs import texts
from sensorium.tasks.report_looks import names_of, seen_texts, text_looks
from sensorium.tasks.reported import Seen
from sensorium.tasks.text_classification.explain import TextClassificationExplainer
from sensorium.tasks.text_classification.predict import TextPredictor
from sensorium.tasks.text_explanations import METHODS, text_examples
from sensorium.tasks.text_inputs import UnreadableText
from sensorium.tasks.text_sources import READING, text_reading
from sensorium.tasks.token_facts import token_facts, token_measures

# What learning.strong=auto adds to the run's own augmentation.
STRONG_VIEW: dict[str, Any] = {
    "_target_": "sensorium.text.noise.TextAugment",
    "transforms": {
        "dropout": {"_target_": "sensorium.text.noise.TokenDropout", "share": 0.2},
        "swap": {"_target_": "sensorium.text.noise.TokenSwap", "share": 0.1},
        "mask": {"_target_": "sensorium.text.noise.TokenMask", "share": 0.3},
    },
}


class TextClassification(ClassificationTask[TextClassificationSpec]):
    """Tokens (B, T) and lengths (B,) -> logits (B, K)."""

    name = "text_classification"
    input_keys = explain_keys = ("input", "text")
    options = ("top_k", *READING, *CERTAINTY)
    explain_methods, explain_options = METHODS, ("target", "top_k")
    example_input = 'text="..."'
    augmentation, fitting_augmentations = "texts", "tokens or none"
    strong_view = STRONG_VIEW
    bf16_always = True

    def preprocessing(
        self, spec: TextClassificationSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return AsStored()

    def facts(self, split: Any, spec: TextClassificationSpec) -> SplitFacts:
        return replace(super().facts(split, spec), **token_facts(split.tokens))

    def worst_examples(self, split: Any) -> dict[str, Any]:
        return {"texts": split.texts}

    def looks(self, split: Any, rows: np.ndarray, spec: TextClassificationSpec) -> list[dict[str, Any]]:
        return text_looks(split.texts, rows)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: TextClassificationSpec) -> list[ReportExample]:
        return seen_texts(seen, self.labels_of(batch, spec, seen.targets), names_of(batch, split), spec.tokenizer)

    def truncation_notes(self, split: Any, spec: TextClassificationSpec) -> list[str]:
        return cut_note(split.cut, spec.max_length)

    def contents(self, data: Data) -> Contents:
        return text_contents(
            data, joined(data).texts, measures=token_measures(joined(data).tokens), **self.labeled(data)
        )

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[str | UnreadableText]:
        return texts(given["input"], given["text"], text_reading(given, model.dataset))

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return self.classes_graph(model, prepare=self.preprocessing(model.spec), **token_inputs(model.spec))

    def predictor(self, model: LoadedModel, options: PredictOptions) -> TextPredictor:
        return TextPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> TextClassificationExplainer:
        return TextClassificationExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: TextClassificationSpec) -> list[Example]:
        return text_examples(split, rows, [(spec.class_names[split.labels[row]],) for row in rows])
