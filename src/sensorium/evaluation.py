"""A checkpoint evaluated on a split: what train, eval and the Python API share. Task-specific parts are in the task."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sensorium import distributed, runs
from sensorium.build import loaded_model, make_loader, makes_classes
from sensorium.checkpoint import Checkpoint, read, write_calibrated
from sensorium.data.base import Data, Problem, counted
from sensorium.errors import RunError
from sensorium.files import write_csv
from sensorium.history_plot import plot_history
from sensorium.output import formula_notes
from sensorium.run_config import RunConfig
from sensorium.runs import RunFolder
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.plots import undrawn_notes


def evaluate(loaded: Checkpoint, split: Any, *, config: RunConfig, device: torch.device, trust: bool) -> Evaluation:
    """A checkpoint's model on a split. config: of the evaluation: batch sizes and decoding count."""
    model = loaded_model(loaded, device=device, trust=trust, decoding=config.decoding)

    def loader_of(chosen: Any) -> Any:
        rank, world_size = distributed.rank(), distributed.world_size()
        return make_loader(config, chosen, shuffle=False, device=device, rank=rank, world_size=world_size)

    return registry.of(loaded.spec).evaluate(model, split, loader_of)


def evaluate_run(
    config: RunConfig, run: RunFolder, *, data: Data, device: torch.device, say: Callable[[str], None]
) -> Evaluation:
    """The best checkpoint of a run on its test split: metrics.json, tables and plots in the run folder."""
    best = read(run.best)
    evaluation = evaluate(best, data.test, config=config, device=device, trust=True)
    if distributed.rank() == 0:
        task = registry.of(best.spec)
        paths = task.report(
            evaluation, folder=run.folder, split=data.test, spec=best.spec, predictions_format="csv", split_name="test"
        )
        for note in formula_notes(paths):
            say(note)
        chosen = runs.read_summary(run)
        plot_history(
            run.history,
            run.folder / "plots" / "history.png",
            monitor=chosen["monitor"],
            best_epoch=chosen["best_epoch"],
        )
        for note in undrawn_notes():
            say(note)
        runs.write_metrics(run, named(evaluation, "test") | (best.calibration.metrics() if best.calibration else {}))
    return evaluation


def calibrated(loaded: Checkpoint, split: Any, *, config: RunConfig, device: torch.device, trust: bool) -> Calibration:
    """What a split that the model was not trained on says of its confidence. RequestError where a task has none, and
    RunError where the model's outputs are not numbers.
    """
    plain = replace(loaded, calibration=None)
    found = evaluate(plain, split, config=config, device=device, trust=trust)
    named(found, "calibration")
    return registry.of(loaded.spec).calibration(found)


def calibrate_run(
    config: RunConfig, run: RunFolder, *, data: Data, device: torch.device, say: Callable[[str], None]
) -> Calibration | None:
    """Puts the calibration on the validation split into the best checkpoint of a run, and returns it.

    None where none is wanted, and where the task has no confidence to correct.
    """
    if config.calibration == "none" or not makes_classes(config.learning) or not registry.of(data.spec).calibrates:
        return None
    best = read(run.best)
    try:
        calibration = calibrated(best, data.val, config=config, device=device, trust=True)
    except RunError as error:  # one example can be the reason: no reason to lose the training
        say(f"not calibrated: {error}")
        return None
    if distributed.rank() == 0:
        write_calibrated(best, calibration, run.best)
        for line in calibration.lines():
            say(line)
    distributed.gather([None], processes=distributed.world_size())  # the others wait until it is written
    return calibration


def named(evaluation: Evaluation, split: str) -> dict[str, float]:
    """Metrics under the names of metrics.json: test/accuracy, test/loss ... Raises RunError for a loss of nan."""
    if math.isnan(evaluation.metrics.get("loss", 0.0)):
        raise RunError(
            f"{split}/loss is nan: the model's outputs are not numbers. Its weights are damaged; train again."
        )
    return {f"{split}/{name}": value for name, value in evaluation.metrics.items()}


def record_problems(folder: Path, problems: tuple[Problem, ...], *, say: Callable[[str], None]) -> None:
    """What on_bad=skip dropped: listed in the folder, and counted in a line."""
    if problems and distributed.rank() == 0:
        write_csv(folder / "left_out.csv", [("place", "problem"), *((p.place, p.what) for p in problems)])
        say(f"{counted(len(problems), 'problem')} in the data, skipped and listed in {folder / 'left_out.csv'}")
