"""What train and eval do alike once there is a checkpoint: judge it, write the report, show the numbers.

One judge and one report for each kind of data; this is where a kind finds its own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from sensorium import runs
from sensorium.build import make_loader, model_of
from sensorium.checkpoint import Checkpoint, read
from sensorium.cli import output
from sensorium.data.base import Data, Problem, counted
from sensorium.evaluator import classification, detection, language, recognition, segmentation, translation
from sensorium.evaluator.arithmetic import judging_precision
from sensorium.evaluator.settings import BeamSettings, CTCSettings, settings_from
from sensorium.files import write_csv
from sensorium.metrics.recognition import jiwer_package
from sensorium.metrics.translation import sacrebleu_package
from sensorium.report.classification import write_classification_report
from sensorium.report.detection import write_detection_report
from sensorium.report.plots import plot_history
from sensorium.report.recognition import write_transcripts
from sensorium.report.segmentation import write_segmentation_report
from sensorium.report.translation import write_translations
from sensorium.runs import Run
from sensorium.specs import DetectionSpec, LanguageSpec, SegmentationSpec, Spec, SpeechSpec, TranslationSpec
from sensorium.training import launch

Result = (
    classification.Predictions
    | language.TextLikelihood
    | translation.Translations
    | recognition.Transcripts
    | detection.Detections
    | segmentation.Segmented
)
Config = dict[str, Any]


def judge(loaded: Checkpoint, split: Any, *, config: Config, device: torch.device, trust: bool) -> Result:
    """A checkpoint's model on a split."""
    model, spec = model_of(loaded, trust=trust), loaded.spec
    precision = judging_precision(loaded.config["trainer"]["precision"], spec)
    if isinstance(spec, LanguageSpec) and not getattr(model, "carries_state", False):
        split = split.with_history(spec.context // 2)
    loader = make_loader(
        config, split, shuffle=False, device=device, rank=launch.rank(), world_size=launch.world_size()
    )
    if isinstance(spec, LanguageSpec):
        return language.evaluate(language.LanguageJudge(model=model, device=device, precision=precision), loader)
    if isinstance(spec, TranslationSpec):
        beam = settings_from(BeamSettings, config["decoding"])
        translator = translation.Translator(model=model, spec=spec, device=device, precision=precision, settings=beam)
        return translation.evaluate(translator, loader)
    if isinstance(spec, SpeechSpec):
        ctc = settings_from(CTCSettings, config["decoding"])
        transcriber = recognition.Transcriber(model=model, spec=spec, device=device, precision=precision, settings=ctc)
        return recognition.evaluate(transcriber, loader)
    layout = loaded.config["memory_format"]
    how: dict[str, Any] = {"model": model, "device": device, "precision": precision, "memory_format": layout}
    if isinstance(spec, DetectionSpec):
        return detection.evaluate(detection.Detector(spec=spec, **how), loader)
    if isinstance(spec, SegmentationSpec):
        return segmentation.evaluate(segmentation.Segmenter(spec=spec, **how), loader)
    return classification.evaluate(classification.Classifier(spec=spec, **how), loader)


def check_ready(spec: Spec, decoding: Config) -> None:
    """Refuses what could not be judged, for want of a package or of sense, before hours of training."""
    if spec.kind == "translation":
        sacrebleu_package()
        settings_from(BeamSettings, decoding)
    if isinstance(spec, SpeechSpec):
        jiwer_package()
        chosen = settings_from(CTCSettings, decoding)
        chosen.arpa(spec.language_model)
        chosen.words()


def evaluate_run(config: Config, run: Run, *, data: Data, device: torch.device) -> dict[str, float]:
    """The best checkpoint of a run on its test split: metrics.json, tables and plots in the run folder."""
    best = read(run.best)
    result = judge(best, data.test, config=config, device=device, trust=True)
    metrics = flat(result, "test")
    if launch.rank() == 0:
        report(run.folder, result, data.test, loaded=best, predictions_format="csv")
        plot_history(run.history, run.folder / "plots" / "history.png")
        runs.write_metrics(run, metrics)
    return metrics


def flat(result: Result, split: str) -> dict[str, float]:
    """Metrics under the names of metrics.json: test/accuracy, test/loss ..."""
    return {f"{split}/{name}": value for name, value in result.metrics().items()}


def report(folder: Path, result: Result, split: Any, *, loaded: Checkpoint, predictions_format: str) -> list[Path]:
    """Tables and plots of an evaluation."""
    if isinstance(result, translation.Translations):
        return write_translations(
            folder, sources=result.sources, hypotheses=result.hypotheses, references=result.references
        )
    if isinstance(result, recognition.Transcripts):
        return write_transcripts(
            folder,
            names=split.names,
            references=result.references,
            hypotheses=result.hypotheses,
            speakers=result.speakers,
        )
    if isinstance(result, language.TextLikelihood):
        return []
    if isinstance(result, detection.Detections):
        return write_detection_report(
            folder,
            detections=result,
            split=split,
            class_names=loaded.spec.class_names,  # type: ignore[union-attr]
            predictions_format=predictions_format,  # type: ignore[arg-type]
        )
    if isinstance(result, segmentation.Segmented):
        return write_segmentation_report(
            folder,
            found=result,
            class_names=loaded.spec.class_names,  # type: ignore[union-attr]
            palette=loaded.spec.palette,  # type: ignore[union-attr]
            names=split.names,
            read=lambda rows: [tensor.numpy() for tensor in split.read(rows)][:2],  # type: ignore[arg-type,return-value]
            predictions_format=predictions_format,  # type: ignore[arg-type]
        )
    return write_classification_report(
        folder,
        probabilities=result.probabilities,
        labels=result.labels,
        class_names=loaded.spec.class_names,  # type: ignore[union-attr]
        names=split.names,
        read_pictures=split.images.read if loaded.spec.kind == "image" else None,
        texts=split.texts if loaded.spec.kind == "text" else None,
        plane=result.plane,
        predictions_format=predictions_format,  # type: ignore[arg-type]
    )


def signatures(result: Result) -> list[str]:
    """How BLEU and chrF were counted, a line each."""
    found = result.signatures if isinstance(result, translation.Translations) else {}
    return [f"{name}: {signature}" for name, signature in found.items()]


def metrics_table(metrics: dict[str, float]) -> Table:
    """The table at the end of a training."""
    return output.table([{"metric": name, "value": value} for name, value in metrics.items()])


def record_problems(folder: Path, problems: tuple[Problem, ...], *, say: Callable[[str], None]) -> None:
    """What on_bad=skip left out: listed in the folder, and counted in a line to the person."""
    if problems and launch.rank() == 0:
        write_csv(folder / "left_out.csv", [("place", "problem"), *((p.place, p.what) for p in problems)])
        say(f"{counted(len(problems), 'problem')} in the data, left out and listed in {folder / 'left_out.csv'}")
