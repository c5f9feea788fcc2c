"""What train and eval do alike once there is a checkpoint: judge it, write the report, show the numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from sensorium import checkpoint, runs
from sensorium.build import make_loader, model_of
from sensorium.cli import output
from sensorium.data.base import ImageData, ImageSplit, Problem, counted
from sensorium.evaluator import Classifier, Predictions, evaluate
from sensorium.files import write_csv
from sensorium.metrics.classification import summary
from sensorium.report.classification import write_classification_report
from sensorium.report.plots import plot_history
from sensorium.runs import Run
from sensorium.training import launch


def judge(
    loaded: checkpoint.Checkpoint, split: ImageSplit, *, config: dict[str, Any], device: torch.device, trust: bool
) -> Predictions:
    """A checkpoint's model on a split, in the arithmetic it was trained in."""
    classifier = Classifier(
        model=model_of(loaded, trust=trust),
        spec=loaded.spec,
        device=device,
        precision=loaded.config["trainer"]["precision"],
        memory_format=loaded.config["memory_format"],
    )
    loader = make_loader(
        config, split, shuffle=False, device=device, rank=launch.rank(), world_size=launch.world_size()
    )
    return evaluate(classifier, loader)


def evaluate_run(config: dict[str, Any], run: Run, *, data: ImageData, device: torch.device) -> dict[str, float]:
    """The best checkpoint of a run on its test split: metrics.json, tables and plots in the run folder."""
    best = checkpoint.read(run.best)
    predictions = judge(best, data.test, config=config, device=device, trust=True)
    metrics = flat(predictions, "test")
    if launch.rank() == 0:
        report(run.folder, predictions, data.test, class_names=best.spec.class_names, predictions_format="csv")
        plot_history(run.history, run.folder / "plots" / "history.png")
        runs.write_metrics(run, metrics)
    return metrics


def flat(predictions: Predictions, split: str) -> dict[str, float]:
    """Metrics under the names of metrics.json: test/accuracy, test/loss ..."""
    return {f"{split}/{name}": value for name, value in summary(predictions.probabilities, predictions.labels).items()}


def report(
    folder: Path, predictions: Predictions, split: ImageSplit, *, class_names: tuple[str, ...], predictions_format: str
) -> list[Path]:
    """Tables and plots of an evaluation."""
    return write_classification_report(
        folder,
        probabilities=predictions.probabilities,
        labels=predictions.labels,
        class_names=class_names,
        names=split.names,
        read_pictures=split.images.read,
        predictions_format=predictions_format,  # type: ignore[arg-type]
    )


def metrics_table(metrics: dict[str, float]) -> Table:
    """The table at the end of a training."""
    return output.table([{"metric": name, "value": value} for name, value in metrics.items()])


def record_problems(folder: Path, problems: tuple[Problem, ...], *, say: Callable[[str], None]) -> None:
    """What on_bad=skip left out: listed in the folder, and counted in a line to the person."""
    if problems and launch.rank() == 0:
        write_csv(folder / "left_out.csv", [("place", "problem"), *((p.place, p.what) for p in problems)])
        say(f"{counted(len(problems), 'example')} left out, listed in {folder / 'left_out.csv'}")
