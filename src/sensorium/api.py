"""The Python API: what the verbs of the command line do, for scripts, with the same names.

model = sensorium.load("runs/digits_small_cnn/.../checkpoints/best.ckpt")
for prediction in model.predict(["a.png", "b.png"]):
    print(prediction.to_dict())
model.evaluate(dataset_root="other_images").metrics["accuracy"]
model.explain("a.png").save("why.png")
model.export("model.onnx")
run = sensorium.train("experiment=digits_cnn", "optimizer.lr=0.01")
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium import checkpoint, runs
from sensorium.cli import check as check_verb
from sensorium.cli import report as report_verb
from sensorium.cli import train as train_verb
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.unknown_key import dotted
from sensorium.errors import RequestError, RunError
from sensorium.inspection.findings import Finding
from sensorium.tasks.base import Evaluation, Prediction
from sensorium.tasks.explanation import Explanation
from sensorium.trained_model import Model


@dataclass(frozen=True)
class Run:
    """A finished training: its folder, and what it left there."""

    folder: Path

    @property
    def config(self) -> dict[str, Any]:
        """config.yaml, resolved."""
        return runs.RunFolder(self.folder).read_config()

    @property
    def metrics(self) -> dict[str, float]:
        """metrics.json: test/accuracy and so on; {} for a run with test=false."""
        run = runs.RunFolder(self.folder)
        return runs.read_metrics(run) if run.metrics.exists() else {}

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json: the monitored validation metric, parameters, seconds."""
        return runs.read_summary(runs.RunFolder(self.folder))

    @property
    def history(self) -> list[dict[str, float]]:
        """metrics.csv, a dict a row; a cell without a value is missing."""
        with runs.RunFolder(self.folder).history.open(newline="") as file:
            return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation result."""
        return runs.RunFolder(self.folder).best

    def report(self, *, output: str | Path | None = None, explain: bool = False, overwrite: bool = False) -> Path:
        """report.html, written anew from what is in the folder; where it is."""
        return report(self, output=output, explain=explain, overwrite=overwrite)

    def load(self, *, accelerator: str = "auto") -> Model:
        """The model of the best checkpoint. It opens with trust=True: this process has just trained it."""
        return load(self.best, accelerator=accelerator, trust=True)


def report(runs: Any, *, output: str | Path | None = None, explain: bool = False, overwrite: bool = False) -> Path:
    """report.html of a run, or one page that compares several; where it is. As `sensorium report`.

    runs: a run folder, a `Run`, or a sequence of those. output: the page; None for report.html in the run folder, or
    comparison.html in the working directory for several runs. overwrite: whether an existing output is replaced.
    """
    given = runs if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
    folders = [one.folder if isinstance(one, Run) else one for one in given]
    for one in folders:
        if not isinstance(one, str | Path):
            raise RequestError(f"{one!r} is no run. Give a run folder, a Run, or a list of those.")
    return report_verb.write(folders, output=output, overwrite=overwrite, explain=explain)


def load(path: str | Path, *, accelerator: str = "auto", trust: bool = False) -> Model:
    """A trained model from its checkpoint, or from a run folder, whose best one it takes.

    accelerator: cpu, gpu, mps or auto. trust: build classes named in the checkpoint that are not Sensorium's own.
    Raises RequestError for what is no checkpoint.
    """
    return Model(checkpoint.read(checkpoint_path(path)), accelerator=accelerator, trust=trust)


def train(*overrides: str, **misplaced: object) -> Run:
    """One training with the overrides of `sensorium train`, resume=RUN among them; returns when it has ended.

    misplaced: overrides are strings, so none of these is possible; the error says so. Raises RequestError for a wrong
    request and RunError for a training that failed, as the command would print them.
    """
    return Run(train_verb.train_once(_overrides("train", overrides, misplaced)).folder)


def check(*overrides: str, **misplaced: object) -> list[Finding]:
    """What is wrong with a dataset, with the overrides of `sensorium check`; prints nothing. A report is written
    where folder= names a place. Errors as of `train`.
    """
    return check_verb.findings_of(["folder=null", *_overrides("check", overrides, misplaced)], say=lambda *_: None)


def _overrides(verb: str, overrides: Sequence[object], misplaced: Mapping[str, object]) -> list[str]:
    """The overrides of a verb, which have to be strings that say KEY=VALUE or name a path."""
    if misplaced:
        key, value = next(iter(misplaced.items()))
        written = dotted(key, "eval", ()) or key
        raise RequestError(
            f"Overrides are strings: sensorium.{verb}({f'{written}={value}'!r}), as on the command line."
        )
    for one in overrides:
        if not isinstance(one, str) or one.startswith("-"):
            raise RequestError(f"{one!r} is no override. Give KEY=VALUE, such as 'dataset=digits'.")
    return [str(one) for one in overrides]


__all__ = [
    "Evaluation",
    "Explanation",
    "Finding",
    "Model",
    "Prediction",
    "RequestError",
    "Run",
    "RunError",
    "check",
    "load",
    "report",
    "train",
]
