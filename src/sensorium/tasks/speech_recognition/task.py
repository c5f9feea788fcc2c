"""Speech recognition: recordings into transcripts."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium.audio.features import Features
from sensorium.data.audio.splits import too_short
from sensorium.data.base import Data
from sensorium.data.loader import BatchLoader
from sensorium.errors import RequestError
from sensorium.files import is_folder
from sensorium.inspection.contents import Contents
from sensorium.metrics.recognition import jiwer_package, word_errors
from sensorium.models.exported import GraphRunner
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import SpeechRecognitionSpec
from sensorium.tasks.audio_explanations import METHODS, audio_examples
from sensorium.tasks.audio_inputs import audio_chunks
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, PredictOptions, SplitFacts, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.contents import audio_contents, joined
from sensorium.tasks.decoding_settings import CTCSettings, settings_from
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.fit_calibration import calibrate_scores
from sensorium.tasks.graphs import Graph
from sensorium.tasks.live import Live
from sensorium.tasks.raw_inputs import Piped, audio_files
from sensorium.tasks.report_looks import audio_looks, audio_of, names_of
from sensorium.tasks.reported import Seen
from sensorium.tasks.speech_recognition.evaluate import RecognitionEvaluation, Transcriber, evaluate
from sensorium.tasks.speech_recognition.explain import SpeechExplainer
from sensorium.tasks.speech_recognition.export import ExportedRecognizer, recognizer_graph
from sensorium.tasks.speech_recognition.predict import SpeechPredictor
from sensorium.tasks.speech_recognition.report import write_transcripts
from sensorium.tasks.speech_recognition.sections import recognition_sections
from sensorium.tasks.speech_recognition.stream import LiveTranscriber, write_partial_transcripts
from sensorium.tasks.speech_recognition.subtitles import SUBTITLES
from sensorium.tasks.speech_recognition.writer import SubtitleFiles, subtitle_line, transcript_line
from sensorium.tasks.token_facts import token_facts
from sensorium.tasks.worst_rows import ranked_rows, read_predictions
from sensorium.tasks.writers import FORMATS, LineWriter, Writer
from sensorium.text.build_tokenizer import tokenizer_from_dict

_log = logging.getLogger(__name__)


class SpeechRecognition(Task[SpeechRecognitionSpec]):
    """Features (B, T, F) and lengths (B,) -> log-probabilities (B, T', V) and lengths (B,)."""

    name = "speech_recognition"
    headline = Metric("wer", higher_is_better=False)
    length_unit = "frames"
    formats = (*FORMATS, *SUBTITLES)
    options = ("threshold",)
    calibrates = True
    graphs_calibrate = False
    streams = True
    explain_methods, explain_options = METHODS, ("target", "characters")
    augmentation, fitting_augmentations = "audio", "spec_augment or none"
    bf16_always = True

    def preprocessing(
        self, spec: SpeechRecognitionSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return Features(**spec.features)

    def check_request(self, spec: SpeechRecognitionSpec, decoding: Mapping[str, Any]) -> None:
        jiwer_package()
        settings_from(CTCSettings, decoding).read(spec.language_model, tokenizer_from_dict(spec.tokenizer))

    def check_decoding(self, given: Mapping[str, Any]) -> None:
        settings_from(CTCSettings, given)

    def facts(self, split: Any, spec: SpeechRecognitionSpec) -> SplitFacts:
        return SplitFacts(lengths=split.durations, unit="seconds", unknown=token_facts(split.targets)["unknown"])

    def contents(self, data: Data) -> Contents:
        texts = joined(data).texts
        return audio_contents(data, columns=("text",), cells=lambda row: [texts[row]])

    def constant_answer(self, data: Data, evaluation: RecognitionEvaluation) -> ConstantAnswer:
        return ConstantAnswer(1.0, "an empty transcript")

    def unfit_examples(self, model: Any, split: Any) -> dict[int, str]:
        return too_short(split, model.output_lengths)

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return {"model": recognizer_graph(model, self.preprocessing(model.spec))}

    def exported(self, graphs: Mapping[str, GraphRunner], spec: SpeechRecognitionSpec) -> ExportedRecognizer:
        return ExportedRecognizer(graphs)

    def evaluate(
        self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]
    ) -> RecognitionEvaluation:
        transcriber = Transcriber(
            model=model.model,
            spec=model.spec,
            device=model.device,
            precision=model.precision,
            settings=settings_from(CTCSettings, model.decoding),
            calibration=model.calibration,
        )
        for note in transcriber.notes:
            _log.warning("%s", note)
        return evaluate(transcriber, loader_of(split))

    def report(
        self,
        evaluation: RecognitionEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: SpeechRecognitionSpec,
        predictions_format: str,
        split_name: str,
    ) -> list[Path]:
        return write_transcripts(
            folder,
            names=split.names,
            references=evaluation.references,
            hypotheses=evaluation.hypotheses,
            speakers=evaluation.speakers,
        )

    def calibration(self, evaluation: RecognitionEvaluation) -> Calibration:
        """Of words; those of an utterance belong together."""
        words = evaluation.sure_words
        return calibrate_scores(words.confidence, words.right, what="words", groups=words.utterances)

    def report_sections(
        self, evaluation: RecognitionEvaluation, *, split: Any, spec: SpeechRecognitionSpec
    ) -> list[Section]:
        return recognition_sections(evaluation, names=split.names, looks=lambda rows: self.looks(split, rows, spec))

    def looks(self, split: Any, rows: np.ndarray, spec: SpeechRecognitionSpec) -> list[dict[str, Any]]:
        return audio_looks(split, rows, spec)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: SpeechRecognitionSpec) -> list[ReportExample]:
        texts = [split.texts[row] for row in batch.indices.tolist()]
        rows = zip(names_of(batch, split), texts, audio_of(batch, seen.inputs, spec), strict=True)
        return [ReportExample(name=name, target=text, **look) for name, text, look in rows]

    def example_scores(self, evaluation: RecognitionEvaluation, split: Any) -> ExampleScores:
        rates = [one.rate for one in word_errors(evaluation.references, evaluation.hypotheses)]
        return ExampleScores(
            name="word error rate of an utterance", values=rates, of=split.names, higher_is_better=False
        )

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[Path | Piped]:
        return list(audio_files(given["input"]))

    def predictor(self, model: LoadedModel, options: PredictOptions) -> SpeechPredictor:
        return SpeechPredictor(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> SpeechExplainer:
        return SpeechExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: SpeechRecognitionSpec) -> list[Example]:
        return audio_examples(split, rows, spec, [()] * len(rows))

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        return ranked_rows(read_predictions(folder, "transcripts.csv"), _word_errors, count)

    def writer(self, kind: str, *, output_file: str | None, inputs: Any, model: LoadedModel) -> Writer:
        several = len(inputs) > 1
        if kind in SUBTITLES and (several or (output_file is not None and is_folder(Path(output_file)))):
            if output_file is None:
                raise RequestError(
                    f"format={kind} is one file per recording; set output=FOLDER for {len(inputs)} files."
                )
            return SubtitleFiles(kind, Path(output_file), inputs)
        if kind in SUBTITLES:
            return LineWriter(subtitle_line(kind), output_file=output_file)
        if kind == "table":
            return LineWriter(transcript_line(alone=not several), output_file=output_file)
        return super().writer(kind, output_file=output_file, inputs=inputs, model=model)

    def stream(
        self, model: LoadedModel, options: PredictOptions, source: Any, *, kind: str, output_file: str | None
    ) -> None:
        if kind not in ("table", "jsonl"):
            raise RequestError(f"stream=true writes format=table or jsonl, not {kind}.")
        live = LiveTranscriber(model)
        chunks = audio_chunks(source, live.sample_rate)
        write_partial_transcripts(live, chunks, kind=kind, output_file=output_file)

    def live(self, model: LoadedModel, options: PredictOptions) -> Live:
        return LiveTranscriber(model)


def _word_errors(record: Mapping[str, str]) -> float | None:
    """The word error rate of an utterance; None for one without an error."""
    wrong = sum(int(record[name]) for name in ("substitutions", "insertions", "deletions"))
    return wrong / max(1, int(record["words"])) if wrong else None
