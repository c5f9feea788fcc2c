"""Translation: sentences into sentences."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.data.base import Data
from sensorium.data.loader import BatchLoader
from sensorium.data.text.labeled import cut_note
from sensorium.inspection.contents import Contents
from sensorium.metrics.translation import bleu, sacrebleu_package
from sensorium.models.exported import GraphRunner
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import TranslationSpec
from sensorium.tasks.artifacts import Artifacts
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, PredictOptions, SplitFacts, Task
from sensorium.tasks.contents import joined, text_contents
from sensorium.tasks.decoding_settings import BeamSettings, settings_from
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.graphs import Graph
from sensorium.tasks.plots import plot_attention, undrawn_notes
from sensorium.tasks.preprocessing import AsStored
from sensorium.tasks.raw_inputs import texts
from sensorium.tasks.report_looks import names_of, seen_texts
from sensorium.tasks.reported import Seen
from sensorium.tasks.text_inputs import UnreadableText
from sensorium.tasks.text_sources import READING, text_reading
from sensorium.tasks.token_facts import token_facts
from sensorium.tasks.translation.evaluate import TranslationEvaluation, Translator, evaluate
from sensorium.tasks.translation.explain import METHODS, TranslationExplainer
from sensorium.tasks.translation.export import STEP, ExportedTranslator, translation_graphs
from sensorium.tasks.translation.predict import TranslationPrediction, TranslationPredictor
from sensorium.tasks.translation.report import one_line, write_translations
from sensorium.tasks.translation.sections import likeness, translation_sections
from sensorium.tasks.worst_rows import ranked_rows, read_predictions
from sensorium.tasks.writers import LineWriter, Writer


class Translation(Task[TranslationSpec]):
    """Source (B, S), lengths (B,) and target_in (B, U) -> logits (B, U, V)."""

    name = "translation"
    graph_names = ("model", STEP)
    headline = Metric("bleu")
    smooths_labels = True
    input_keys = explain_keys = ("input", "text")
    options = ("attention", *READING)
    explain_methods = METHODS
    example_input = "input=-"
    bf16_always = True

    def preprocessing(
        self, spec: TranslationSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return AsStored()

    def check_request(self, spec: TranslationSpec, decoding: Mapping[str, Any]) -> None:
        sacrebleu_package()
        self.check_decoding(decoding)

    def check_decoding(self, given: Mapping[str, Any]) -> None:
        settings_from(BeamSettings, given)

    def facts(self, split: Any, spec: TranslationSpec) -> SplitFacts:
        source, target = token_facts(split.source), token_facts(split.target)
        return SplitFacts(**source | {"unknown": max(source["unknown"], target["unknown"])})

    def contents(self, data: Data) -> Contents:
        whole = joined(data)
        source, target = (store.full.astype(np.float64) for store in (whole.source, whole.target))
        return text_contents(
            data,
            whole.source_texts,
            first="source",
            columns=("target",),
            cells=lambda row: [whole.references[row]],
            measures={
                "tokens of a sentence": source,
                "tokens of a translation": target,
                "tokens of a translation / of its sentence": target / np.maximum(source, 1),
            },
        )

    def constant_answer(self, data: Data, evaluation: TranslationEvaluation) -> ConstantAnswer:
        (most, _), *_ = Counter(data.train.references).most_common(1)
        value, _ = bleu([most] * len(evaluation.references), evaluation.references)
        return ConstantAnswer(value, "a constant sentence")

    def evaluate(
        self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]
    ) -> TranslationEvaluation:
        translator = Translator(
            model=model.model,
            spec=model.spec,
            device=model.device,
            precision=model.precision,
            settings=settings_from(BeamSettings, model.decoding),
        )
        return evaluate(translator, loader_of(split))

    def report(
        self,
        evaluation: TranslationEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: TranslationSpec,
        predictions_format: str,
        split_name: str,
    ) -> list[Path]:
        return write_translations(
            folder,
            sources=evaluation.sources,
            hypotheses=evaluation.hypotheses,
            references=evaluation.references,
        )

    def report_sections(self, evaluation: TranslationEvaluation, *, split: Any, spec: TranslationSpec) -> list[Section]:
        return translation_sections(evaluation, names=split.names)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: TranslationSpec) -> list[ReportExample]:
        targets = [split.references[row] for row in batch.indices.tolist()]
        return seen_texts(seen, targets, names_of(batch, split), spec.source_tokenizer)

    def example_scores(self, evaluation: TranslationEvaluation, split: Any) -> ExampleScores:
        alike = [likeness(*pair) for pair in zip(evaluation.references, evaluation.hypotheses, strict=True)]
        return ExampleScores(name="words in common with the reference", values=alike, of=split.names)

    def truncation_notes(self, split: Any, spec: TranslationSpec) -> list[str]:
        return cut_note(split.cut, spec.max_length)

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[str | UnreadableText]:
        return texts(given["input"], given["text"], text_reading(given, model.dataset))

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return translation_graphs(model)

    def exported(self, graphs: Mapping[str, GraphRunner], spec: TranslationSpec) -> ExportedTranslator:
        return ExportedTranslator(graphs)

    def predictor(self, model: LoadedModel, options: PredictOptions) -> TranslationPredictor:
        return TranslationPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> TranslationExplainer:
        return TranslationExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: TranslationSpec) -> list[Example]:
        return [Example(split.names[row], split.source_texts[row]) for row in rows]

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        return ranked_rows(read_predictions(folder, "translations.csv"), _unlike, count)

    def writer(self, kind: str, *, output_file: str | None, inputs: Any, model: LoadedModel) -> Writer:
        if kind == "table":  # a line out for each line in
            return LineWriter(_lines, output_file=output_file)
        return super().writer(kind, output_file=output_file, inputs=inputs, model=model)

    def artifacts(self, options: PredictOptions, inputs: Any, model: LoadedModel) -> Artifacts | None:
        return AttentionPlots(Path(options.attention)) if options.attention else None


def _unlike(record: Mapping[str, str]) -> float | None:
    """Share of words that a translation does not have in common with its reference; None where they are one text."""
    return (1 - likeness(record["reference"], record["translation"])) or None


def _lines(prediction: TranslationPrediction, first: bool) -> str:
    """A line for each translation; an empty one where there is none, so that line 17 stays that of input 17."""
    return "".join(one_line(text) + "\n" for text, _ in prediction.translations or (("", 0.0),))


class AttentionPlots(Artifacts):
    """A plot of the attention of each text, by its number."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0

    def targets(self) -> list[Path]:
        return sorted(self._folder.glob(f"{'[0-9]' * 5}.png"))  # how many texts there are is not known yet

    def write(self, prediction: TranslationPrediction) -> TranslationPrediction:
        if prediction.attention is not None:
            plot_attention(
                weights=prediction.attention.numpy(),
                source=prediction.source_tokens,
                target=prediction.target_tokens,
                path=self._folder / f"{self._number:05d}.png",
            )
        self._number += 1
        return replace(prediction, attention=None)

    def notes(self) -> list[str]:
        return undrawn_notes()
