"""Semantic segmentation: a class for every pixel."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.data.loader import BatchLoader
from sensorium.errors import RequestError, listing
from sensorium.inspection.contents import Contents
from sensorium.models import protocols
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import SemanticSegmentationSpec
from sensorium.tasks.artifacts import Artifacts
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, PredictOptions, SplitFacts, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.contents import image_contents
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.fit_calibration import calibrate_pixels
from sensorium.tasks.graphs import Graph, fitted_images, image_inputs, logits_graph
from sensorium.tasks.image_explanations import image_examples
from sensorium.tasks.image_inputs import range_for
from sensorium.tasks.raw_inputs import image_files
from sensorium.tasks.report_looks import names_of, seen_images
from sensorium.tasks.report_media import image_uri
from sensorium.tasks.reported import Seen
from sensorium.tasks.semantic_segmentation.evaluate import SegmentationEvaluation, SegmentationInference, evaluate
from sensorium.tasks.semantic_segmentation.explain import METHODS, SegmentationExplainer
from sensorium.tasks.semantic_segmentation.predict import SegmentationPredictor
from sensorium.tasks.semantic_segmentation.report import overlay, write_segmentation_report
from sensorium.tasks.semantic_segmentation.sections import segmentation_sections
from sensorium.tasks.semantic_segmentation.writer import MaskFiles
from sensorium.tasks.worst_rows import ranked_rows, read_predictions
from sensorium.vision.normalise import Normalise

LOOKED_AT = 200  # masks of a split that are read to count classes before training


class SemanticSegmentation(Task[SemanticSegmentationSpec]):
    """Images (B, C, H, W) -> logits (B, K, H, W)."""

    name = "semantic_segmentation"
    protocol = protocols.Segmenter
    headline = Metric("miou")
    smooths_labels = True
    calibrates = True
    options = ("masks", "overlay", "top_k", "pixel_range")
    explain_methods, explain_options = METHODS, ("target", "top_k", "pixel")
    augmentation, fitting_augmentations = "images with boxes or masks", "scene or none"
    uses_memory_format = True

    def preprocessing(
        self, spec: SemanticSegmentationSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Normalise(mean=spec.mean, std=spec.std, memory_format=memory_format)

    def class_counts(self, split: Any, num_classes: int) -> np.ndarray | None:
        """Pixels of each class."""
        counts: np.ndarray = split.class_counts(num_classes)
        return counts

    def contents(self, data: Data) -> Contents:
        return image_contents(data, whynot="masks are not listed in a table")

    def facts(self, split: Any, spec: SemanticSegmentationSpec) -> SplitFacts:
        """Of evenly spaced images of a large split: every mask has to be read."""
        rows = np.unique(np.linspace(0, len(split) - 1, min(len(split), LOOKED_AT)).astype(np.int64))
        counts = self.class_counts(split.subset(rows), spec.num_classes)
        assert counts is not None
        classes = dict(zip(spec.class_names, counts.tolist(), strict=True))
        return SplitFacts(classes=classes, counted="pixels", sampled=len(rows) < len(split))

    def constant_answer(self, data: Data, evaluation: SegmentationEvaluation) -> ConstantAnswer:
        """The class that most test pixels have: its IoU is its share, that of every other class that occurs is 0."""
        pixels = evaluation.confusion.sum(axis=1)
        value = pixels.max() / max(1, pixels.sum()) / max(1, int((pixels > 0).sum()))
        return ConstantAnswer(float(value), f'"{data.spec.to_dict()["class_names"][int(pixels.argmax())]}" everywhere')

    def eval_precision(self, precision: str) -> str:
        return precision

    def evaluate(
        self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]
    ) -> SegmentationEvaluation:
        return evaluate(SegmentationInference(spec=model.spec, **model.model_arguments), loader_of(split))

    def report(
        self,
        evaluation: SegmentationEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: SemanticSegmentationSpec,
        predictions_format: Any,
        split_name: str,
    ) -> list[Path]:
        return write_segmentation_report(
            folder,
            found=evaluation,
            class_names=spec.class_names,
            palette=spec.palette,
            names=split.names,
            read=lambda rows: (split.displayed(rows), split.read(rows).masks.numpy()),
            predictions_format=predictions_format,
        )

    def calibration(self, evaluation: SegmentationEvaluation) -> Calibration:
        """Of the sampled pixels; those of an image belong together."""
        pixels = evaluation.pixels
        sampled = len(pixels.labels) < int(evaluation.confusion.sum())
        return replace(calibrate_pixels(pixels.probabilities, pixels.labels, pixels.images), sampled=sampled)

    def report_sections(
        self, evaluation: SegmentationEvaluation, *, split: Any, spec: SemanticSegmentationSpec
    ) -> list[Section]:
        return segmentation_sections(
            evaluation,
            class_names=spec.class_names,
            palette=spec.palette,
            names=split.names,
            read=lambda rows: (split.displayed(rows), split.read(rows).masks.numpy()),
        )

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: SemanticSegmentationSpec) -> list[ReportExample]:
        names = names_of(batch, split)
        masks = (batch.masks if seen.targets is None else seen.targets).cpu().numpy().astype(np.uint8)

        def covered(pixels: np.ndarray, row: int) -> str:
            return image_uri(overlay(pixels, masks[row], spec.palette).transpose(2, 0, 1), side=seen.side)

        return seen_images(seen, [""] * len(names), names, spec, drawn=covered)

    def example_scores(self, evaluation: SegmentationEvaluation, split: Any) -> ExampleScores:
        return ExampleScores(name="mean IoU of an image", values=evaluation.iou.tolist(), of=split.names)

    def relabeled(self, split: Any, found: SemanticSegmentationSpec, trained: SemanticSegmentationSpec) -> Any:
        if found.class_names != trained.class_names:  # pixel values in files: they are not renumbered
            raise RequestError(
                f"The classes of this data are {listing(found.class_names, limit=12)}.\n"
                f"The model was trained for {listing(trained.class_names, limit=12)}, in this order."
            )
        return split

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path]:
        return list(image_files(given["input"]))

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        prepare = fitted_images(model.spec, self.preprocessing(model.spec))
        about = image_inputs(model.spec) | {"prepare": prepare, "link": nn.Softmax(dim=1), "classes": True}
        return {"model": logits_graph(model, second="probabilities", **about)}

    def predictor(self, model: LoadedModel, options: PredictOptions) -> SegmentationPredictor:
        return SegmentationPredictor(model, options)

    def artifacts(self, options: PredictOptions, inputs: Any, model: LoadedModel) -> Artifacts | None:
        folders = {key: getattr(options, key) for key in ("masks", "overlay")}
        given = {key: folder for key, folder in folders.items() if folder is not None}
        if not given:
            return None
        shown = range_for(model.spec, options)
        return MaskFiles(given, inputs=inputs, palette=model.spec.palette, pixel_range=shown)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> SegmentationExplainer:
        return SegmentationExplainer(model, options)

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        """Images with the lowest mean IoU."""
        return ranked_rows(read_predictions(folder), lambda record: -float(record["miou"] or 1), count)

    def examples(self, split: Any, rows: Sequence[int], spec: SemanticSegmentationSpec) -> list[Example]:
        return image_examples(split, rows, [()] * len(rows))
