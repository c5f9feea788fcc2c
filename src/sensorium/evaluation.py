"""A checkpoint evaluated on a split: what train, eval and the Python API share. Task-specific parts are in the task."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sensorium import distributed, runs
from sensorium.build import loaded_model, make_loader, makes_classes
from sensorium.checkpoint import Checkpoint, read, write_calibrated, write_part
from sensorium.data.base import Data, Problem, counted
from sensorium.errors import RequestError, RunError
from sensorium.files import write_csv
from sensorium.history_plot import plot_history
from sensorium.output import formula_notes
from sensorium.randomness import drawn_rows
from sensorium.run_config import RunConfig
from sensorium.runs import RunFolder
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.explanation import ExplainOptions
from sensorium.tasks.explanation_choice import MOST_EXAMPLES as MOST_EXPLAINED
from sensorium.tasks.explanation_choice import STEPS
from sensorium.tasks.inference import InferenceModel
from sensorium.tasks.out_of_distribution import MOST_EXAMPLES, fit
from sensorium.tasks.plots import undrawn_notes

_MOST_MEASURED = 10_000  # validation examples that a detector's threshold is from


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
    best = _best(run)
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


def _best(run: RunFolder) -> Checkpoint:
    """The best checkpoint, which the first process of several reads for all: others need not share its disk."""
    return distributed.from_first(lambda: read(run.best))


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
    best = _best(run)
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


def fit_detector(
    config: RunConfig, run: RunFolder, *, data: Data, device: torch.device, say: Callable[[str], None]
) -> None:
    """Puts a detector of inputs unlike the training data into the best checkpoint of a run, and says so.

    Says why where there can be none. Does nothing where none is wanted or its task has none.
    """
    if config.ood == "none" or not makes_classes(config.learning) or not registry.of(data.spec).has_vectors:
        return
    if distributed.rank() == 0:
        best = read(run.best)
        inference = InferenceModel(spec=best.spec, **loaded_model(best, device=device, trust=True).model_arguments)
        try:
            train, val = _drawn(data.train, MOST_EXAMPLES), _drawn(data.val, _MOST_MEASURED)
            training, validation = (_features(inference, split, config, device) for split in (train, val))
            detector = fit(training, validation, classes=registry.of(best.spec).known_classes(train))
        except RequestError as error:
            say(f"no out-of-distribution detector: {error}")
        else:
            write_part(best, detector)
            say(detector.line())
    distributed.gather([None], processes=distributed.world_size())  # the others wait until it is written


def choose_explanation(
    config: RunConfig, run: RunFolder, *, data: Data, device: torch.device, say: Callable[[str], None]
) -> None:
    """Puts the method of attribution that is most faithful on a few validation examples into the best checkpoint.

    Says why where none can be chosen. Does nothing where none is wanted, and for a task without explanations.
    """
    task = registry.of(data.spec)
    if config.explanation == "none" or not makes_classes(config.learning) or not task.explain_methods:
        return
    if distributed.rank() == 0:
        best = read(run.best)
        try:
            rows = drawn_rows(len(data.val), MOST_EXPLAINED).tolist()
            examples = task.examples(data.val, rows, best.spec)
            explainer = task.explainer(loaded_model(best, device=device, trust=True), ExplainOptions(steps=STEPS))
            choice = explainer.choice(examples)
        except RequestError as error:
            say(f"no explanation method chosen: {error}")
        else:
            write_part(best, choice)
            say(choice.line())
    distributed.gather([None], processes=distributed.world_size())  # the others wait until it is written


def _drawn(split: Any, limit: int) -> Any:
    """At most so many examples of a split, by a fixed seed."""
    return split if len(split) <= limit else split.subset(drawn_rows(len(split), limit))


def _features(inference: InferenceModel[Any], split: Any, config: RunConfig, device: torch.device) -> np.ndarray:
    """(N, F) float32 penultimate features of the examples of a split."""
    rows, found = zip(*inference.features(make_loader(config, split, shuffle=False, device=device)), strict=True)
    return np.concatenate(found)[np.argsort(np.concatenate(rows))]


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
        write_csv(folder / "left_out.csv", [("place", "problem"), *((p.place, p.named) for p in problems)])
        say(f"{counted(len(problems), 'problem')} in the data, skipped and listed in {folder / 'left_out.csv'}")
