"""Object detection: bounding boxes with a class each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.batches import IGNORED
from sensorium.data.base import Data, counted
from sensorium.data.loader import BatchLoader
from sensorium.files import user_path
from sensorium.inspection.boxes import check as check_boxes
from sensorium.inspection.contents import Contents
from sensorium.metrics.detection import errors
from sensorium.models import protocols
from sensorium.models.exported import GraphRunner
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import ObjectDetectionSpec
from sensorium.tasks.artifacts import Artifacts
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, PredictOptions, SplitFacts, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.classification.task import class_numbers
from sensorium.tasks.contents import image_contents, joined
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.fit_calibration import calibrate_scores
from sensorium.tasks.graphs import Graph
from sensorium.tasks.image_explanations import image_examples
from sensorium.tasks.image_inputs import range_for
from sensorium.tasks.image_writer import ImageWriter
from sensorium.tasks.object_detection.evaluate import DetectionEvaluation, DetectionInference, evaluate, right_boxes
from sensorium.tasks.object_detection.explain import METHODS, DetectionExplainer
from sensorium.tasks.object_detection.export import ExportedDetector, detection_graph
from sensorium.tasks.object_detection.predict import DetectionPredictor
from sensorium.tasks.object_detection.report import THRESHOLD, write_detection_report
from sensorium.tasks.object_detection.sections import RIGHT, SIDE, boxed_uri, detection_sections
from sensorium.tasks.object_detection.writer import CocoWriter, Overlays
from sensorium.tasks.raw_inputs import image_files
from sensorium.tasks.report_looks import names_of, seen_images
from sensorium.tasks.reported import Seen
from sensorium.tasks.worst_rows import ranked_rows, read_predictions, wrong
from sensorium.tasks.writers import FORMATS, Writer
from sensorium.vision.normalise import Normalise


class ObjectDetection(Task[ObjectDetectionSpec]):
    """Images -> boxes (N, 4), labels (N,) and scores (N,) of each, as torchvision's detectors give them."""

    name = "object_detection"
    protocol = protocols.Detector
    headline = Metric("map")
    calibrates = True
    options = ("threshold", "overlay", "pixel_range")
    formats = (*FORMATS, "coco")
    explain_methods, explain_options = METHODS, ("target", "top_k", "threshold")
    augmentation, fitting_augmentations = "images with boxes or masks", "scene or none"
    uses_memory_format = True

    def preprocessing(
        self, spec: ObjectDetectionSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Normalise(mean=spec.mean, std=spec.std, memory_format=memory_format)

    def facts(self, split: Any, spec: ObjectDetectionSpec) -> SplitFacts:
        counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *split.labels]), minlength=len(spec.class_names))
        return SplitFacts(
            classes=dict(zip(spec.class_names, counts.tolist(), strict=True)),
            counted="boxes",
            lengths=np.array([len(labels) for labels in split.labels]),
            unit="boxes of an image",
        )

    def contents(self, data: Data) -> Contents:
        whole = joined(data)
        names = data.spec.to_dict()["class_names"]
        own = check_boxes(whole.boxes, whole.labels, whole.sizes, names=whole.names, class_names=names)
        return image_contents(data, own=own, whynot="boxes are not listed in a table")

    def constant_answer(self, data: Data, evaluation: DetectionEvaluation) -> ConstantAnswer:
        return ConstantAnswer(0.0, "no boxes")

    def eval_precision(self, precision: str) -> str:
        return precision

    def evaluate(self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]) -> DetectionEvaluation:
        return evaluate(DetectionInference(spec=model.spec, **model.model_arguments), loader_of(split))

    def report(
        self,
        evaluation: DetectionEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: ObjectDetectionSpec,
        predictions_format: Any,
        split_name: str,
    ) -> list[Path]:
        return write_detection_report(
            folder,
            detections=evaluation,
            split=split,
            class_names=spec.class_names,
            predictions_format=predictions_format,
        )

    def calibration(self, evaluation: DetectionEvaluation) -> Calibration:
        scores, right, images = right_boxes(evaluation)
        return calibrate_scores(scores, right, what="boxes", groups=images)

    def report_sections(
        self, evaluation: DetectionEvaluation, *, split: Any, spec: ObjectDetectionSpec
    ) -> list[Section]:
        return detection_sections(evaluation, split=split, class_names=spec.class_names)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: ObjectDetectionSpec) -> list[ReportExample]:
        boxes, there = seen.inputs[1].boxes.cpu().numpy(), (seen.inputs[1].labels != IGNORED).cpu().numpy()

        def drawn(pixels: np.ndarray, row: int) -> str:
            return boxed_uri(pixels, [(boxes[row][there[row]], RIGHT)], side=max(SIDE, seen.side))

        counts = [counted(int(count), "box") for count in there.sum(axis=1)]
        return seen_images(seen, counts, names_of(batch, split), spec, drawn=drawn)

    def example_scores(self, evaluation: DetectionEvaluation, split: Any) -> ExampleScores:
        pairs = zip(evaluation.found, evaluation.truths, strict=True)
        faults = [errors(found, truth, threshold=THRESHOLD) for found, truth in pairs]
        counts = [float(fault.missed.sum() + fault.wrong.sum()) for fault in faults]
        return ExampleScores(name="boxes missed or wrong", values=counts, of=split.names, higher_is_better=False)

    def relabeled(self, split: Any, found: ObjectDetectionSpec, trained: ObjectDetectionSpec) -> Any:
        if found.class_names == trained.class_names:
            return split
        numbers = class_numbers(found.class_names, trained.class_names, _one_of_each(split))
        return replace(split, labels=[numbers[labels] for labels in split.labels])  # several labels an image

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path]:
        return list(image_files(given["input"]))

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return {"model": detection_graph(model, self.preprocessing(model.spec))}

    def exported(self, graphs: Mapping[str, GraphRunner], spec: ObjectDetectionSpec) -> ExportedDetector:
        return ExportedDetector(graphs)

    def predictor(self, model: LoadedModel, options: PredictOptions) -> DetectionPredictor:
        return DetectionPredictor(model, options)

    def writer(self, kind: str, *, output_file: str | None, inputs: Any, model: LoadedModel) -> Writer:
        if kind == "coco":
            return CocoWriter(model.spec.class_names, output_file=output_file)
        return super().writer(kind, output_file=output_file, inputs=inputs, model=model)

    def artifacts(self, options: PredictOptions, inputs: Any, model: LoadedModel) -> Artifacts | None:
        if options.overlay is None:
            return None
        folder = ImageWriter("overlay", user_path(options.overlay), inputs)
        return Overlays(folder, model.spec.class_names, pixel_range=range_for(model.spec, options))

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> DetectionExplainer:
        return DetectionExplainer(model, options)

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        """Images with the surest wrong boxes."""
        return ranked_rows(read_predictions(folder), partial(wrong, score="score"), count)

    def examples(self, split: Any, rows: Sequence[int], spec: ObjectDetectionSpec) -> list[Example]:
        return image_examples(split, rows, [()] * len(rows))


def _one_of_each(split: Any) -> dict[int, str]:
    """The first image with a box of each class."""
    found: dict[int, str] = {}
    for row, labels in enumerate(split.labels):
        for label in np.unique(labels).tolist():
            found.setdefault(label, split.names[row])
    return found
