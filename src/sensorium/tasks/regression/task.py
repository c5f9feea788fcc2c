"""Regression: one or several numbers for each image or text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.data.loader import BatchLoader
from sensorium.data.text.labeled import cut_note
from sensorium.errors import RequestError, listing
from sensorium.inspection.contents import Contents
from sensorium.metrics.regression import summary
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import ImageRegressionSpec, RegressionSpec, TextRegressionSpec
from sensorium.tasks import text_explanations
from sensorium.tasks.base import ConstantAnswer, LoadedModel, PredictOptions, SplitFacts, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.contents import image_contents, joined, text_contents
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.fit_calibration import calibrate_intervals
from sensorium.tasks.graphs import Graph, fitted_images, image_inputs, largest, logits_graph, token_inputs
from sensorium.tasks.image_explanations import METHODS, image_examples
from sensorium.tasks.preprocessing import AsStored
from sensorium.tasks.raw_inputs import image_files, texts
from sensorium.tasks.regression.evaluate import HEADLINE, RegressionEvaluation, Regressor, evaluate
from sensorium.tasks.regression.explain import ImageRegressionExplainer, TextRegressionExplainer
from sensorium.tasks.regression.export import Unstandardized
from sensorium.tasks.regression.predict import ImageRegressionPredictor, TextRegressionPredictor
from sensorium.tasks.regression.report import write_regression_report
from sensorium.tasks.regression.sections import regression_sections
from sensorium.tasks.report_looks import image_looks, names_of, seen_images, seen_texts, text_looks
from sensorium.tasks.reported import Seen
from sensorium.tasks.text_inputs import UnreadableText
from sensorium.tasks.text_sources import READING, text_reading
from sensorium.tasks.token_facts import token_facts, token_measures
from sensorium.tasks.worst_rows import ranked_rows, read_predictions
from sensorium.vision.normalise import Normalise

R = TypeVar("R", ImageRegressionSpec, TextRegressionSpec)


class Regression(Task[R]):
    """What both modalities share: a model's K logits are the standardized predictions.

    They are computed in float32 whatever the training was in: bfloat16 would leave them three digits.
    """

    name = "regression"
    headline = HEADLINE
    tensors = (("values", "FP64", [-1, -1]),)
    calibrates = True
    has_vectors = True

    def constant_answer(self, data: Data, evaluation: RegressionEvaluation) -> ConstantAnswer | None:
        constant = np.broadcast_to(data.train.targets.mean(axis=0), evaluation.targets.shape)
        value = summary(constant, evaluation.targets).get(HEADLINE.name)
        return None if value is None else ConstantAnswer(value, "always the training mean")

    def evaluate(self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]) -> RegressionEvaluation:
        return evaluate(Regressor(spec=model.spec, **model.model_arguments), loader_of(split))

    def report(
        self,
        evaluation: RegressionEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: RegressionSpec,
        predictions_format: Any,
        split_name: str,
    ) -> list[Path]:
        return write_regression_report(
            folder,
            evaluation=evaluation,
            target_names=spec.target_names,
            names=split.names,
            predictions_format=predictions_format,
            **self.worst_examples(split),
        )

    def calibration(self, evaluation: RegressionEvaluation) -> Calibration:
        return calibrate_intervals(evaluation.predictions - evaluation.targets)

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        """Examples with the largest error of a target, in units of its mean absolute error."""
        records = read_predictions(folder)
        columns = [name for name in records[0] if name == "error" or name.startswith("error_")] if records else []
        scale = {name: sum(abs(float(one[name])) for one in records) or 1.0 for name in columns}
        return ranked_rows(records, lambda one: max(abs(float(one[name])) / scale[name] for name in columns), count)

    def report_sections(self, evaluation: RegressionEvaluation, *, split: Any, spec: R) -> list[Section]:
        return regression_sections(
            evaluation,
            target_names=spec.target_names,
            names=split.names,
            looks=lambda rows: self.looks(split, rows, spec),
        )

    def example_scores(self, evaluation: RegressionEvaluation, split: Any) -> ExampleScores:
        errors = np.abs(evaluation.standardized_errors).mean(axis=1)
        name = "absolute error in standard deviations"
        return ExampleScores(name=name, values=errors.tolist(), of=split.names, higher_is_better=False)

    def targets_of(self, batch: Any, split: Any, augmented: torch.Tensor | None = None) -> list[str]:
        """The numbers of a batch, in their own units. augmented: (B, K) standardized, as augmentation left them."""
        numbers = split.targets[batch.indices.numpy()]
        if augmented is not None:
            numbers = augmented.cpu().numpy() * split.target_std + split.target_mean
        return [", ".join(f"{value:.4g}" for value in row) for row in numbers[: len(batch.indices)]]

    def numbers_graph(self, model: LoadedModel, **about: Any) -> dict[str, Graph]:
        """Logits are the standardized predictions (B, K); "values" have the targets' own units."""
        link = Unstandardized(mean=model.spec.target_mean, std=model.spec.target_std)
        graph = logits_graph(replace(model, calibration=None), link=link, classes=False, second="values", **about)
        return {"model": replace(graph, difference=partial(largest, names=("logits",)))}  # whatever the units are

    def worst_examples(self, split: Any) -> dict[str, Any]:
        """What the report shows of the largest errors: `read_images` or `texts` of `write_regression_report`."""
        return {}

    def numbered(self, data: Data) -> dict[str, Any]:
        """What the contents of both modalities say of the numbers."""
        targets = joined(data).targets
        return {"columns": data.spec.to_dict()["target_names"], "cells": lambda row: targets[row].tolist()}

    def relabeled(self, split: Any, found: R, trained: R) -> Any:
        """The targets in the model's order, standardized as in its training. Raises RequestError for other targets."""
        if set(found.target_names) != set(trained.target_names):
            raise RequestError(
                f"This data has the targets {listing(found.target_names)}, and the model predicts"
                f" {listing(trained.target_names)}.\nSay dataset.target_columns=[{','.join(trained.target_names)}]."
            )
        columns = [found.target_names.index(name) for name in trained.target_names]
        return replace(
            split, targets=split.targets[:, columns], target_mean=trained.target_mean, target_std=trained.target_std
        )


class ImageRegression(Regression[ImageRegressionSpec]):
    """Images (B, C, H, W) -> standardized predictions (B, K)."""

    options = ("pixel_range", "coverage")
    explain_methods, explain_options = METHODS, ("target", "top_k")
    augmentation, fitting_augmentations = "images", "colour or none"
    uses_memory_format = True

    def preprocessing(
        self, spec: ImageRegressionSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Normalise(mean=spec.mean, std=spec.std, memory_format=memory_format)

    def contents(self, data: Data) -> Contents:
        return image_contents(data, **self.numbered(data))

    def worst_examples(self, split: Any) -> dict[str, Any]:
        return {"read_images": split.displayed}

    def looks(self, split: Any, rows: np.ndarray, spec: ImageRegressionSpec) -> list[dict[str, Any]]:
        return image_looks(split, rows)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: ImageRegressionSpec) -> list[ReportExample]:
        return seen_images(seen, self.targets_of(batch, split, seen.targets), names_of(batch, split), spec)

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path]:
        return image_files(given["input"])

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        prepare = fitted_images(model.spec, self.preprocessing(model.spec))
        return self.numbers_graph(model, prepare=prepare, **image_inputs(model.spec))

    def predictor(self, model: LoadedModel, options: PredictOptions) -> ImageRegressionPredictor:
        return ImageRegressionPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> ImageRegressionExplainer:
        return ImageRegressionExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: ImageRegressionSpec) -> list[Example]:
        return image_examples(split, rows, [()] * len(rows))


class TextRegression(Regression[TextRegressionSpec]):
    """Tokens (B, T) and lengths (B,) -> standardized predictions (B, K)."""

    input_keys = explain_keys = ("input", "text")
    options = (*READING, "coverage")
    explain_methods, explain_options = text_explanations.METHODS, ("target", "top_k")
    example_input = 'text="..."'
    augmentation, fitting_augmentations = "texts", "tokens or none"
    bf16_always = True

    def preprocessing(
        self, spec: TextRegressionSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return AsStored()

    def facts(self, split: Any, spec: TextRegressionSpec) -> SplitFacts:
        return SplitFacts(**token_facts(split.tokens))

    def contents(self, data: Data) -> Contents:
        return text_contents(
            data, joined(data).texts, measures=token_measures(joined(data).tokens), **self.numbered(data)
        )

    def worst_examples(self, split: Any) -> dict[str, Any]:
        return {"texts": split.texts}

    def looks(self, split: Any, rows: np.ndarray, spec: TextRegressionSpec) -> list[dict[str, Any]]:
        return text_looks(split.texts, rows)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: TextRegressionSpec) -> list[ReportExample]:
        return seen_texts(seen, self.targets_of(batch, split, seen.targets), names_of(batch, split), spec.tokenizer)

    def truncation_notes(self, split: Any, spec: TextRegressionSpec) -> list[str]:
        return cut_note(split.cut, spec.max_length)

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[str | UnreadableText]:
        return texts(given["input"], given["text"], text_reading(given, model.dataset))

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return self.numbers_graph(model, prepare=self.preprocessing(model.spec), **token_inputs(model.spec))

    def predictor(self, model: LoadedModel, options: PredictOptions) -> TextRegressionPredictor:
        return TextRegressionPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> TextRegressionExplainer:
        return TextRegressionExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: TextRegressionSpec) -> list[Example]:
        return text_explanations.text_examples(split, rows, [()] * len(rows))
