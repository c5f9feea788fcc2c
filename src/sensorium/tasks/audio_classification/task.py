"""Audio classification: one class for each recording."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.audio.features import Features
from sensorium.data.base import Data
from sensorium.errors import RequestError
from sensorium.inspection.contents import Contents
from sensorium.report_sections import ReportExample
from sensorium.specs import AudioClassificationSpec
from sensorium.tasks.audio_classification.explain import AudioClassificationExplainer
from sensorium.tasks.audio_classification.predict import AudioPredictor
from sensorium.tasks.audio_classification.stream import THRESHOLD, KeywordSpotter, write_commands
from sensorium.tasks.audio_explanations import METHODS, audio_examples
from sensorium.tasks.audio_inputs import audio_chunks
from sensorium.tasks.base import LoadedModel, PredictOptions, SplitFacts
from sensorium.tasks.classification.certainty import CERTAINTY
from sensorium.tasks.classification.task import ClassificationTask
from sensorium.tasks.contents import audio_contents
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.graphs import Graph, waveform_inputs
from sensorium.tasks.live import Live
from sensorium.tasks.raw_inputs import Piped, audio_files
from sensorium.tasks.report_looks import audio_looks, audio_of, names_of
from sensorium.tasks.reported import Seen

# What learning.strong=auto adds to the run's own augmentation.
STRONG_VIEW: dict[str, Any] = {
    "_target_": "sensorium.audio.augment.AudioAugment",
    "waves": {
        "speed": {"_target_": "sensorium.audio.speed.SpeedPerturb", "factors": [0.85, 0.9, 1.0, 1.1, 1.15]},
        "shift": {"_target_": "sensorium.audio.waves.TimeShift", "share": 0.1},
        "noise": {
            "_target_": "sensorium.audio.waves.Noise",
            "kind": "pink",
            "decibels": [5, 20],
            "probability": 0.5,
            "folder": None,
            "sample_rate": None,
        },
    },
    "features": {
        "spec": {
            "_target_": "sensorium.audio.spec_augment.SpecAugment",
            "frequency_masks": 2,
            "frequency_width": 10,
            "time_masks": 2,
            "time_width": 40,
            "time_share": 0.25,
        }
    },
}


class AudioClassification(ClassificationTask[AudioClassificationSpec]):
    """Features (B, T, F) and lengths (B,) -> logits (B, K)."""

    name = "audio_classification"
    options = ("top_k", "threshold", *CERTAINTY)
    explain_methods, explain_options = METHODS, ("target", "top_k")
    length_unit = "frames"
    streams = True
    augmentation, fitting_augmentations = "audio", "spec_augment or none"
    strong_view = STRONG_VIEW

    def preprocessing(
        self, spec: AudioClassificationSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Features(**spec.features)

    def facts(self, split: Any, spec: AudioClassificationSpec) -> SplitFacts:
        return replace(super().facts(split, spec), lengths=split.durations, unit="seconds")

    def looks(self, split: Any, rows: np.ndarray, spec: AudioClassificationSpec) -> list[dict[str, Any]]:
        return audio_looks(split, rows, spec)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: AudioClassificationSpec) -> list[ReportExample]:
        labels, looks = self.labels_of(batch, spec, seen.targets), audio_of(batch, seen.inputs, spec)
        return [
            ReportExample(name=name, target=label, **look)
            for name, label, look in zip(names_of(batch, split), labels, looks, strict=True)
        ]

    def contents(self, data: Data) -> Contents:
        return audio_contents(data, **self.labeled(data))

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path | Piped]:
        return audio_files(given["input"])

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return self.classes_graph(model, prepare=self.preprocessing(model.spec), **waveform_inputs(model.spec))

    def predictor(self, model: LoadedModel, options: PredictOptions) -> AudioPredictor:
        if options.threshold is not None:
            raise RequestError("threshold= applies to continuous audio; add stream=true.")
        return AudioPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> AudioClassificationExplainer:
        return AudioClassificationExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: AudioClassificationSpec) -> list[Example]:
        return audio_examples(split, rows, spec, [(spec.class_names[split.labels[row]],) for row in rows])

    def stream(
        self, model: LoadedModel, options: PredictOptions, source: Any, *, kind: str, output_file: str | None
    ) -> None:
        if options.coverage is not None or options.max_error is not None:
            raise RequestError("coverage= and max_error= apply to whole recordings; leave out stream=true.")
        spotter = KeywordSpotter(model, threshold=THRESHOLD if options.threshold is None else options.threshold)
        write_commands(spotter, audio_chunks(source, spotter.sample_rate), kind=kind, output_file=output_file)

    def live(self, model: LoadedModel, options: PredictOptions) -> Live:
        return KeywordSpotter(model, threshold=THRESHOLD if options.threshold is None else options.threshold)
