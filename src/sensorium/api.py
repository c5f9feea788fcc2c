"""The Python API: what the verbs of the command line do, for scripts, with the same names.

model = sensorium.load("runs/digits_small_cnn/.../checkpoints/best.ckpt")
for prediction in model.predict(["a.png", "b.png"]):
    print(prediction.to_dict())
model.evaluate(dataset_root="other_images").metrics["accuracy"]
model.explain("a.png").save("why.png")
run = sensorium.train("experiment=digits_cnn", "optimizer.lr=0.01")
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from io import IOBase
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from sensorium import checkpoint, evaluation, runs
from sensorium.bounded import check_decoding
from sensorium.build import check_targets, device_of, loaded_model
from sensorium.cli import report as report_verb
from sensorium.cli import schema
from sensorium.cli import train as train_verb
from sensorium.cli.eval_data import evaluation_data, settings_for
from sensorium.cli.explain import neighbors_of
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.unknown_key import dotted
from sensorium.errors import RequestError, RunError, unknown
from sensorium.files import exists, is_folder, user_path
from sensorium.neighbors import index_in
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation, Prediction, PredictOptions
from sensorium.tasks.explanation import RANDOM_MAPS, ExplainOptions, Explanation

Errors = Literal["return", "raise"]
_NO_KEYS = ("target", "neighbors")
EXPLAIN_KEYS = (*(one.name for one in fields(ExplainOptions) if one.name not in _NO_KEYS), "nearest", "index")


class Model:
    """A trained model with its preprocessing, from one checkpoint. Safe to use from several threads at once.

    task: the name of its task. class_names: () for a task without classes. spec: the data it was trained for.
    """

    def __init__(self, loaded: checkpoint.Checkpoint, *, accelerator: str, trust: bool) -> None:
        self._checkpoint, self._trust = loaded, trust
        self._device = device_of(accelerator)
        self._task = registry.of(loaded.spec)
        self._model = loaded_model(loaded, device=self._device, trust=trust)
        self._task.predictor(self._model, PredictOptions())  # onto its device, once

    def __repr__(self) -> str:
        return f"<sensorium.Model {self.task}: {self.spec}, {self._checkpoint.path}>"

    @property
    def task(self) -> str:
        return self._task.name

    @property
    def spec(self) -> Any:
        return self._checkpoint.spec

    @property
    def class_names(self) -> tuple[str, ...]:
        return getattr(self.spec, "class_names", ())

    def predict(
        self,
        inputs: Any,
        *,
        errors: Errors = "return",
        batch_size: int = 64,
        top_k: int | None = None,
        threshold: float | None = None,
        decoding: Mapping[str, Any] | None = None,
        length: int = 200,
        temperature: float = 1.0,
        top_p: float | None = None,
        seed: int = 0,
        pixel_range: Sequence[float] | None = None,
        coverage: float | None = None,
        max_error: float | None = None,
    ) -> Iterator[Prediction]:
        """Predictions in the order of the inputs, a batch at a time, each with `to_dict()`.

        inputs: one raw input or an iterable of them. Images: a path, the bytes of a file, a NumPy array (H, W) or
        (H, W, C), a tensor (C, H, W), uint8, uint16 or float from 0 to 1, a PIL image; an array or tensor of four
        dimensions is that many images. With a pixel_range, the checkpoint's or given, arrays hold numbers of any type
        in its units. Audio: a path, the bytes of a file, or a pair of samples (N,) and their rate in hertz. Text:
        str, or UTF-8 bytes. Language models: a prompt. Instead of bytes a file opened in binary mode is read.
        A path alone may be a folder or a glob, as in `sensorium predict`.

        errors: "return" gives an unreadable input as a prediction whose `error` gives the reason; "raise" raises it as
        a RequestError. The other options are those of `sensorium predict`.
        """
        if errors not in ("return", "raise"):
            raise RequestError(f'errors={errors!r} is not possible. Allowed: "return" or "raise".')
        given: dict[str, Any] = {
            "batch_size": batch_size,
            "top_k": top_k,
            "threshold": threshold,
            "decoding": {} if decoding is None else decoding,
            "length": length,
            "temperature": temperature,
            "top_p": top_p,
            "seed": seed,
            "pixel_range": getattr(pixel_range, "tolist", lambda: pixel_range)(),  # of an array too
            "coverage": coverage,
            "max_error": max_error,
        }
        schema.check("predict", given)
        options = PredictOptions(**given)
        self._task.check_options(options, self.spec)
        predictor = self._task.predictor(self._model, options)
        return _checked(predictor.predict(map(_read, self._several(inputs))), errors)

    def explain(
        self,
        raw: Any,
        *,
        method: str = "auto",
        target: str | Sequence[str] | None = None,
        top_k: int | None = None,
        pixel: Sequence[int] | None = None,
        threshold: float | None = None,
        steps: int = 50,
        batch_size: int = 64,
        random_maps: int = RANDOM_MAPS,
        nearest: int | None = None,
        index: str | Path | None = None,
        seed: int = 0,
    ) -> Explanation:
        """Why the model predicts what it does for one raw input, as `predict` takes it; `save("why.png")` draws it.

        The options are those of `sensorium explain`. target: one, or several. index: of `evaluate(index=FOLDER)`, for
        nearest=5. Raises RequestError for an input that cannot be read.
        """
        given: dict[str, Any] = {
            "method": method,
            "top_k": top_k,
            "pixel": pixel,
            "threshold": threshold,
            "steps": steps,
            "batch_size": batch_size,
            "random_maps": random_maps,
            "nearest": nearest,
            "index": index,
            "seed": seed,
        }
        (found,) = self.explanations([raw], target=target, **given)
        if found.error is not None:
            raise RequestError(found.error)
        return found

    def explanations(
        self, inputs: Any, *, target: str | Sequence[str] | None = None, **options: Any
    ) -> Iterator[Explanation]:
        """The same of several inputs, in their order; an unreadable one has an `error`. method=auto chooses by the
        first of them.

        options: those of `explain`.
        """
        if strange := [name for name in options if name not in EXPLAIN_KEYS]:
            raise unknown("option of explain", strange[0], ("target", *EXPLAIN_KEYS))
        schema.check("explain", options | {"index": None if options.get("index") is None else str(options["index"])})
        pixel, nearest, index = (options.pop(name, None) for name in ("pixel", "nearest", "index"))
        chosen = ExplainOptions(
            target=(target,) if isinstance(target, str) else None if target is None else tuple(target),
            pixel=None if pixel is None else tuple(pixel),
            neighbors=neighbors_of(self._checkpoint, nearest, folder=index, trust=self._trust),
            **options,
        )
        self._task.check_explain_options(chosen, self.spec)
        return self._task.explainer(self._model, chosen).explain(map(_read, self._several(inputs)))

    def _several(self, inputs: Any) -> Iterable[Any]:
        """One raw input as a list of it; a batch, and a path that stands for several files, as what is in it."""
        if self._task.input_keys == ("input",) and isinstance(inputs, str | PathLike):
            path = user_path(inputs)
            several = is_folder(path) or (any(sign in str(path) for sign in "*?[") and not exists(path))
            return self._task.inputs({"input": str(path)}, self._model) if several else [inputs]
        return list(inputs) if getattr(inputs, "ndim", 0) == 4 else _several(inputs)

    def evaluate(
        self,
        *overrides: str,
        dataset_root: str | Path | None = None,
        dataset_path: str | Path | None = None,
        split: str | None = None,
        batch_size: int | None = None,
        on_bad: str = "fail",
        decoding: Mapping[str, Any] | None = None,
        index: str | Path | None = None,
    ) -> Evaluation:
        """The model on a split: on its own data, or on other data.

        overrides: as on the command line, `dataset=NAME` and `dataset.KEY=VALUE`. dataset_root, dataset_path: short for
        dataset.root and dataset.path. split: train, val, test or all; None for test, or for all of other data that has
        no test split. index: a folder for an index of the training split's features, which `explain(nearest=5)` takes.
        Raises RequestError as `sensorium eval` rejects.
        """
        chosen = {} if decoding is None else decoding
        schema.check("eval", {"split": split, "batch_size": batch_size, "on_bad": on_bad, "decoding": chosen})
        self._task.check_decoding(chosen)
        about_data = [*overrides, *_dataset_overrides(root=dataset_root, path=dataset_path)]
        if strange := [one for one in about_data if not str(one).startswith(("dataset=", "dataset."))]:
            key, equals, value = str(strange[0]).partition("=")
            meant = dotted(key, "eval", ())
            hint = f" Did you mean {meant}{equals}{value}?" if meant else ""
            raise RequestError(
                f"{strange[0]!r} is about no dataset.{hint} Allowed: dataset=NAME and dataset.KEY=VALUE."
            )
        if not self._trust:
            for section in ("dataset", "model"):
                check_targets(section, self._checkpoint.config[section])
            check_decoding(self._checkpoint.config.get("decoding") or {}, chosen, self._checkpoint.path)
        settings = settings_for(self._checkpoint, about_data, on_bad=on_bad, batch_size=batch_size, decoding=chosen)
        data, _, examples = evaluation_data(self._checkpoint, settings, about_data, split)
        if index is not None:
            index_in(Path(index), self._checkpoint, data, config=settings, device=self._device, trust=self._trust)
        return evaluation.evaluate(self._checkpoint, examples, config=settings, device=self._device, trust=self._trust)


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
    if misplaced:
        key, value = next(iter(misplaced.items()))
        written = dotted(key, "eval", ()) or key
        raise RequestError(f"Overrides are strings: sensorium.train({f'{written}={value}'!r}), as on the command line.")
    for one in overrides:
        if not isinstance(one, str) or one.startswith("-"):
            raise RequestError(f"{one!r} is no override. Give KEY=VALUE, such as 'optimizer.lr=0.01'.")
    return Run(train_verb.train_once(list(overrides)).folder)


def _several(inputs: Any) -> Iterable[Any]:
    """One raw input as a list of it."""
    pair = isinstance(inputs, tuple) and len(inputs) == 2 and isinstance(inputs[1], int | float | Integral)
    plain = isinstance(inputs, str | bytes | bytearray | memoryview | PathLike | IOBase) or hasattr(inputs, "read")
    array = hasattr(inputs, "shape") or hasattr(inputs, "getbbox")
    return [inputs] if pair or plain or array or not isinstance(inputs, Iterable) else inputs


def _read(raw: Any) -> Any:
    """The content of an open file; anything else as it is."""
    if not hasattr(raw, "read") or hasattr(raw, "getbbox"):
        return raw
    content = raw.read()
    if not isinstance(content, bytes):
        raise RequestError(f"A file to predict from must be open in binary mode; this {type(raw).__name__} gives text.")
    return content


def _checked(predictions: Iterator[Prediction], errors: Errors) -> Iterator[Prediction]:
    for prediction in predictions:
        if prediction.error is not None and errors == "raise":
            raise RequestError(prediction.error)
        yield prediction


def _dataset_overrides(**given: str | Path | None) -> Sequence[str]:
    """dataset.KEY=VALUE for what was given, quoted for Hydra's grammar."""
    return [f"dataset.{key}={json.dumps(str(value))}" for key, value in given.items() if value is not None]


__all__ = [
    "Evaluation",
    "Explanation",
    "Model",
    "Prediction",
    "RequestError",
    "Run",
    "RunError",
    "load",
    "report",
    "train",
]
