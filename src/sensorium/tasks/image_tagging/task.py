"""Image tagging: any number of tags for each image (multi-label classification)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.data.loader import BatchLoader
from sensorium.inspection.contents import Contents
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import ImageTaggingSpec
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, PredictOptions, SplitFacts, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.classification.task import class_numbers
from sensorium.tasks.contents import image_contents, joined
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.fit_calibration import calibrate_scores
from sensorium.tasks.graphs import Graph, fitted_images, image_inputs, logits_graph
from sensorium.tasks.image_explanations import METHODS, image_examples
from sensorium.tasks.image_tagging.evaluate import Tagger, TaggingEvaluation, evaluate
from sensorium.tasks.image_tagging.explain import ImageTaggingExplainer
from sensorium.tasks.image_tagging.predict import TagPredictor
from sensorium.tasks.image_tagging.report import surest_mistake, write_tagging_report
from sensorium.tasks.image_tagging.sections import tagging_sections
from sensorium.tasks.raw_inputs import image_files
from sensorium.tasks.report_looks import image_looks, names_of, seen_images, shares_in_words
from sensorium.tasks.reported import Seen
from sensorium.tasks.worst_rows import ranked_rows, read_predictions
from sensorium.vision.normalise import Normalise


class ImageTagging(Task[ImageTaggingSpec]):
    """Images (B, C, H, W) -> logits (B, K), one for each tag."""

    name = "image_tagging"
    headline = Metric("map")
    smooths_labels = True
    calibrates = True
    has_vectors = True
    options = ("threshold", "pixel_range")
    explain_methods, explain_options = METHODS, ("target", "top_k", "threshold")
    augmentation, fitting_augmentations = "images", "crop or none"
    uses_memory_format = True

    def preprocessing(
        self, spec: ImageTaggingSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Normalise(mean=spec.mean, std=spec.std, memory_format=memory_format)

    def balanced_weights(self, split: Any, num_classes: int) -> np.ndarray | None:
        """What a positive example of each tag counts, so that all of them count as much as its negative ones do."""
        positive = split.targets.sum(axis=0, dtype=np.int64)
        weights: np.ndarray = np.maximum(len(split) - positive, 1) / np.maximum(positive, 1)
        return weights

    def facts(self, split: Any, spec: ImageTaggingSpec) -> SplitFacts:
        counts = split.targets.sum(axis=0, dtype=np.int64).tolist()
        return SplitFacts(classes=dict(zip(spec.class_names, counts, strict=True)), counted="tags")

    def contents(self, data: Data) -> Contents:
        targets, names = joined(data).targets, data.spec.to_dict()["class_names"]

        def cells(row: int) -> list[object]:
            return ["|".join(names[tag] for tag in np.flatnonzero(targets[row]).tolist())]

        if any("|" in name for name in names):
            return image_contents(data, whynot='a tag with "|" in it cannot be listed')
        return image_contents(data, columns=("labels",), cells=cells)

    def constant_answer(self, data: Data, evaluation: TaggingEvaluation) -> ConstantAnswer:
        shares = evaluation.targets.mean(axis=0)  # the average precision of a score that is the same for all images
        return ConstantAnswer(float(shares[shares > 0].mean()), "the same tags for every image")

    def eval_precision(self, precision: str) -> str:
        return precision

    def evaluate(self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]) -> TaggingEvaluation:
        return evaluate(Tagger(spec=model.spec, **model.model_arguments), loader_of(split))

    def report(
        self,
        evaluation: TaggingEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: ImageTaggingSpec,
        predictions_format: Any,
        split_name: str,
    ) -> list[Path]:
        return write_tagging_report(
            folder,
            found=evaluation,
            class_names=spec.class_names,
            names=split.names,
            read_images=split.displayed,
            predictions_format=predictions_format,
            thresholds=split_name == "val",
        )

    def calibration(self, evaluation: TaggingEvaluation) -> Calibration:
        return calibrate_scores(evaluation.probabilities, evaluation.targets, what="images")

    def report_sections(self, evaluation: TaggingEvaluation, *, split: Any, spec: ImageTaggingSpec) -> list[Section]:
        return tagging_sections(
            evaluation,
            class_names=spec.class_names,
            names=split.names,
            looks=lambda rows: self.looks(split, rows, spec),
        )

    def looks(self, split: Any, rows: np.ndarray, spec: ImageTaggingSpec) -> list[dict[str, Any]]:
        return image_looks(split, rows)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: ImageTaggingSpec) -> list[ReportExample]:
        tags = shares_in_words(batch.targets if seen.targets is None else seen.targets, spec.class_names)
        return seen_images(seen, tags, names_of(batch, split), spec)

    def example_scores(self, evaluation: TaggingEvaluation, split: Any) -> ExampleScores:
        right = (evaluation.predicted == (evaluation.targets > 0)).mean(axis=1)
        return ExampleScores(name="share of right tags", values=right.tolist(), of=split.names)

    def relabeled(self, split: Any, found: ImageTaggingSpec, trained: ImageTaggingSpec) -> Any:
        """By the names of the tags; one that other data does not have is on none of its images."""
        if found.class_names == trained.class_names:
            return split
        targets = np.zeros((len(split), trained.num_classes), dtype=np.uint8)
        given = np.flatnonzero(split.targets.any(axis=0))
        examples = {tag: split.names[int(split.targets[:, tag].argmax())] for tag in given.tolist()}
        numbers = class_numbers(found.class_names, trained.class_names, examples)
        targets[:, numbers[given]] = split.targets[:, given]
        return replace(split, targets=targets)

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path]:
        return image_files(given["input"])

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        prepare = fitted_images(model.spec, self.preprocessing(model.spec))
        about = image_inputs(model.spec) | {"prepare": prepare, "link": nn.Sigmoid(), "classes": False}
        return {"model": logits_graph(model, second="probabilities", **about)}

    def predictor(self, model: LoadedModel, options: PredictOptions) -> TagPredictor:
        return TagPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> ImageTaggingExplainer:
        return ImageTaggingExplainer(model, options)

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        return ranked_rows(read_predictions(folder), surest_mistake, count)

    def examples(self, split: Any, rows: Sequence[int], spec: ImageTaggingSpec) -> list[Example]:
        return image_examples(
            split,
            rows,
            [
                tuple(name for name, has in zip(spec.class_names, split.targets[row], strict=True) if has)
                for row in rows
            ],
        )
