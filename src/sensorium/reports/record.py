"""What a training that ends leaves for its report: report.json, and report.html made from it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sensorium.data.base import SPLITS, Data
from sensorium.report_sections import ExampleScores, Gallery, Section
from sensorium.reports import page, store
from sensorium.run_folder import RunFolder
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation, Task
from sensorium.tasks.calibration import Calibration
from sensorium.tasks.report_media import evenly
from sensorium.tasks.training_module import TaskModule
from sensorium.training.fit import Training
from sensorium.training.progress import EpochSpeed
from sensorium.training.seen import how_prepared, seen_examples
from sensorium.verdict import Verdict

SAMPLES = 12  # training examples that are shown
_MOST_CLASSES = 1000  # that are counted in a report
_MOST_SCORED = 20_000  # test examples whose scores are kept
_RESAMPLES = 200  # of the test examples, for the intervals of metrics
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)


def write_report(
    run: RunFolder,
    training: Training,
    *,
    evaluation: Evaluation | None,
    verdict: Verdict | None,
    calibration: Calibration | None,
    say: Callable[[str], None],
) -> None:
    """report.json and report.html of a training that has ended. evaluation, verdict: of its test, if there was one.
    calibration: on validation, likewise.

    Whatever goes wrong is said and keeps nothing else from being there: a report is no reason for a training to fail.
    """
    try:
        speeds = training.progress.epochs
        found = recorded(
            training.data,
            training.task,
            speeds=speeds,
            evaluation=evaluation,
            verdict=verdict,
            calibration=calibration,
        )
        store.write(run.folder, found)
        path = page.write_run(run, run.folder / page.NAME)
        say(f"report: {path}")
    except Exception as error:  # noqa: BLE001 - the training is done, and its results are kept
        what = (str(error).splitlines() or [""])[0]
        say(f"report.html was not written ({type(error).__name__}: {what}). Try: sensorium report {run.folder}")


def recorded(
    data: Data,
    module: TaskModule,
    *,
    speeds: list[EpochSpeed],
    evaluation: Evaluation | None,
    verdict: Verdict | None,
    calibration: Calibration | None = None,
) -> store.Stored:
    """What is kept of a training for its report."""
    task = registry.of(data.spec)
    facts = {name: task.facts(getattr(data, name), data.spec) for name in SPLITS}
    notes = list(data.notes)
    samples = sample_inputs(task, data, module, notes)
    sections: list[Section] = []
    scores = None
    if evaluation is not None:
        sections = task.report_sections(evaluation, split=data.test, spec=data.spec)
        scores = task.example_scores(evaluation, data.test)
    if calibration is not None:
        before = next((at for at, one in enumerate(sections) if isinstance(one, Gallery)), len(sections))
        sections[before:before] = calibration.sections()  # tables and charts first
    classes = {name: dict(list(found.classes.items())[:_MOST_CLASSES]) for name, found in facts.items()}
    lengths = {
        name: [_plain(value) for value in np.quantile(found.lengths, _QUANTILES)]
        for name, found in facts.items()
        if found.lengths is not None and len(found.lengths)
    }
    return store.within_budget(
        store.Stored(
            task=task.name.replace("_", " "),
            spec=str(data.spec),
            splits={name: len(getattr(data, name)) for name in SPLITS},
            classes=classes if any(classes.values()) else {},
            counted=facts["train"].counted,
            lengths=lengths,
            unit=facts["train"].unit,
            samples=samples,
            sections=sections,
            headline=_headline(task, evaluation, verdict),
            intervals={} if evaluation is None else evaluation.intervals(_RESAMPLES),
            higher_is_better=task.headline.higher_is_better,
            scores=_kept(scores),
            epochs=[list(speed) for speed in speeds],
            notes=notes,
        )
    )


def _plain(value: float) -> float | int:
    """A whole number as one."""
    return int(value) if float(value).is_integer() else float(value)


def _kept(scores: ExampleScores | None) -> ExampleScores | None:
    """With one digest of all names; None for more examples than are kept."""
    if scores is None or len(scores.values) > _MOST_SCORED:
        return None
    names = "\0".join(map(str, scores.of)).encode("utf-8", errors="surrogatepass")
    return replace(scores, of=[hashlib.sha256(names).hexdigest()])


def _headline(task: Task[Any], evaluation: Evaluation | None, verdict: Verdict | None) -> dict[str, Any]:
    if evaluation is None or verdict is None or task.headline.name not in evaluation.metrics:
        return {}
    found = {"name": task.headline.name, "value": evaluation.metrics[task.headline.name]}
    if verdict.interval is not None:
        found |= {"low": verdict.interval[0], "high": verdict.interval[1]}
    if verdict.constant is not None:
        found |= {"baseline": verdict.constant.what, "baseline_value": verdict.constant.value}
    return found


def sample_inputs(task: Task[Any], data: Data, module: TaskModule, notes: list[str]) -> Gallery | None:
    """Some training examples as a training step gives them to the model; a line in notes where that cannot be had."""
    rows = evenly(len(data.train), SAMPLES)
    try:
        examples = seen_examples(module, data.train.read(rows), split=data.train, spec=data.spec)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, OSError) as error:
        notes.append(f"sample inputs are not shown: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
        return None
    if not examples:
        return None
    note = f"Training examples as the model is given them, {how_prepared(module)}."
    return Gallery(title="Sample inputs", examples=examples[:SAMPLES], total=len(data.train), note=note)
