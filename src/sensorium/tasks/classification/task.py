"""What image, text and audio classification share."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import nn

from sensorium.batches import IGNORED
from sensorium.data.base import Data, Problem
from sensorium.data.loader import BatchLoader
from sensorium.errors import RequestError, listing, nearest
from sensorium.report_sections import ExampleScores, Section
from sensorium.specs import AudioClassificationSpec, ImageClassificationSpec, TextClassificationSpec
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, SplitFacts, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.classification.certainty import CERTAINTY
from sensorium.tasks.classification.evaluate import ClassificationEvaluation, Classifier, evaluate
from sensorium.tasks.classification.report import write_classification_report
from sensorium.tasks.classification.sections import classification_sections
from sensorium.tasks.contents import joined
from sensorium.tasks.fit_calibration import calibrate_classes
from sensorium.tasks.graphs import Graph, logits_graph
from sensorium.tasks.report_looks import shares_in_words
from sensorium.tasks.worst_rows import ranked_rows, read_predictions, wrong

C = TypeVar("C", bound=ImageClassificationSpec | TextClassificationSpec | AudioClassificationSpec)


class ClassificationTask(Task[C]):
    """One class for each example."""

    headline = Metric("accuracy")
    options: ClassVar[tuple[str, ...]] = ("top_k", *CERTAINTY)
    tensors = (("classes", "BYTES", [-1, -1]), ("probabilities", "FP32", [-1, -1]))
    smooths_labels = True
    calibrates = True
    has_vectors = True

    def class_counts(self, split: Any, num_classes: int) -> np.ndarray | None:
        return np.bincount(split.labels[split.labels != IGNORED], minlength=num_classes)

    def known_classes(self, split: Any) -> np.ndarray:
        labels: np.ndarray = split.labels
        return np.where(labels == IGNORED, -1, labels)

    def facts(self, split: Any, spec: C) -> SplitFacts:
        counts = self.class_counts(split, len(spec.class_names))
        assert counts is not None
        return SplitFacts(classes=dict(zip(spec.class_names, counts.tolist(), strict=True)))

    def classes_graph(self, model: LoadedModel, **about: Any) -> dict[str, Graph]:
        """The graph of a classifier: logits and probabilities (B, K). about: its `prepare`, `inputs` and `sample`."""
        link = nn.Softmax(dim=1)
        return {"model": logits_graph(model, link=link, classes=True, second="probabilities", **about)}

    def labeled(self, data: Data) -> dict[str, Any]:
        """What the contents of every modality say of the labels."""
        labels, names = joined(data).labels, tuple(data.spec.to_dict()["class_names"])
        return {
            "labels": labels,
            "class_names": names,
            "columns": ("label",),
            "cells": lambda row: [names[labels[row]] if labels[row] != IGNORED else ""],
        }

    def constant_answer(self, data: Data, evaluation: ClassificationEvaluation) -> ConstantAnswer:
        names = data.spec.to_dict()["class_names"]
        counts = self.class_counts(data.train, len(names))
        assert counts is not None
        most = int(counts.argmax())
        return ConstantAnswer(float((evaluation.labels == most).double().mean()), f'always "{names[most]}"')

    def evaluate(
        self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]
    ) -> ClassificationEvaluation:
        return evaluate(Classifier(spec=model.spec, **model.model_arguments), loader_of(split))

    def report(
        self,
        evaluation: ClassificationEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: C,
        predictions_format: Any,
        split_name: str,
    ) -> list[Path]:
        return write_classification_report(
            folder,
            probabilities=evaluation.probabilities,
            labels=evaluation.labels,
            class_names=spec.class_names,
            names=split.names,
            plane=evaluation.plane,
            predictions_format=predictions_format,
            **self.worst_examples(split),
        )

    def calibration(self, evaluation: ClassificationEvaluation) -> Calibration:
        return calibrate_classes(evaluation.probabilities.numpy(), evaluation.labels.numpy())

    def report_sections(self, evaluation: ClassificationEvaluation, *, split: Any, spec: C) -> list[Section]:
        return classification_sections(
            evaluation,
            class_names=spec.class_names,
            names=split.names,
            looks=lambda rows: self.looks(split, rows, spec),
        )

    def example_scores(self, evaluation: ClassificationEvaluation, split: Any) -> ExampleScores:
        right = evaluation.probabilities.argmax(1) == evaluation.labels
        return ExampleScores(name="accuracy", values=right.double().tolist(), of=split.names)

    def labels_of(self, batch: Any, spec: C, shares: torch.Tensor | None = None) -> list[str]:
        """The class names of a batch. shares: (B, K), what augmentation made of the labels."""
        if shares is not None:
            return shares_in_words(shares[: len(batch.labels)], spec.class_names)
        return ["" if label == IGNORED else spec.class_names[label] for label in batch.labels.tolist()]

    def worst_examples(self, split: Any) -> dict[str, Any]:
        """What the report shows of the worst errors: `read_images` or `texts` of `write_classification_report`."""
        return {}

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        return ranked_rows(read_predictions(folder), partial(wrong, score="confidence"), count)

    def relabeled(self, split: Any, found: C, trained: C) -> Any:
        if found.class_names == trained.class_names:
            return split
        there, first = np.unique(split.labels, return_index=True)
        examples = {number: split.names[row] for number, row in zip(there.tolist(), first.tolist(), strict=True)}
        numbers = class_numbers(
            found.class_names, trained.class_names, examples, also=" on_bad=skip skips examples of other classes."
        )
        return replace(split, labels=numbers[split.labels])

    def without_unknown(self, split: Any, found: C, trained: C) -> tuple[Any, list[Problem]]:
        unknown = np.array([name not in trained.class_names for name in found.class_names])[split.labels]
        problems = [
            Problem(split.names[row], f"the model was not trained for class {found.class_names[split.labels[row]]!r}")
            for row in np.flatnonzero(unknown).tolist()
        ]
        return (split.subset(np.flatnonzero(~unknown)) if problems else split), problems


def class_numbers(
    found: tuple[str, ...], trained: tuple[str, ...], examples: Mapping[int, str], *, also: str = ""
) -> np.ndarray:
    """(K,) int64: the number that the model has for each class of other data; -1 for one that it was not trained for.

    examples: the name of one of each class that there is, by its number in the other data. Raises RequestError where
    one of these is of a class that the model was not trained for. also: what to do about it.
    """
    strange = {found[number]: name for number, name in examples.items() if found[number] not in trained}
    if strange:
        guesses = {name: nearest(name, trained) for name in strange}
        named = [f"{name} (did you mean {guess}?)" if guess else name for name, guess in guesses.items()]
        raise RequestError(
            f"This data has classes that the model was not trained for: {listing(named, limit=8)}; the first is that of"
            f" {next(iter(strange.values()))}.\nIt knows: {listing(trained, limit=12)}.{also}"
        )
    return np.array([trained.index(name) if name in trained else -1 for name in found])
