"""A trained model for the Python API: predictions, explanations and evaluations of one checkpoint."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from sensorium import checkpoint, evaluation, output
from sensorium.bounded import check_decoding
from sensorium.build import check_targets, device_of, loaded_model
from sensorium.cli import export as export_verb
from sensorium.cli import schema
from sensorium.cli.eval_data import check_address, evaluation_data, settings_for
from sensorium.cli.explain import neighbors_of
from sensorium.cli.unknown_key import dotted
from sensorium.errors import RequestError, unknown
from sensorium.files import exists, is_folder, user_path
from sensorium.models.exported import is_exported
from sensorium.neighbors import index_in
from sensorium.robustness import examination
from sensorium.tasks import registry
from sensorium.tasks.base import Evaluation, Prediction, PredictOptions
from sensorium.tasks.explanation import RANDOM_MAPS, ExplainOptions, Explanation
from sensorium.tasks.live import Live
from sensorium.tasks.python_inputs import content, several

Errors = Literal["return", "raise"]
_NO_KEYS = ("target", "neighbors", "choice")
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
    def explains(self) -> bool:
        """Whether `explain` is possible: an exported model has no gradients and no activations."""
        return not is_exported(self._checkpoint.path)

    @property
    def spec(self) -> Any:
        return self._checkpoint.spec

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.classes

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
        return _checked(predictor.predict(map(content, self._several(inputs))), errors)

    def explain(
        self,
        raw: Any,
        *,
        method: str = "auto",
        target: str | Sequence[str] | None = None,
        top_k: int | None = None,
        pixel: Sequence[int] | None = None,
        threshold: float | None = None,
        characters: bool = False,
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
            "characters": characters,
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
        """The same of several inputs, in their order; an unreadable one has an `error`. method=auto is what was
        chosen after training, else chosen by the first of them.

        options: those of `explain`.
        """
        checkpoint.check_weights(self._checkpoint.path, "explain")
        if strange := [name for name in options if name not in EXPLAIN_KEYS]:
            raise unknown("option of explain", strange[0], ("target", *EXPLAIN_KEYS))
        schema.check("explain", options | {"index": None if options.get("index") is None else str(options["index"])})
        pixel, nearest, index = (options.pop(name, None) for name in ("pixel", "nearest", "index"))
        chosen = ExplainOptions(
            target=(target,) if isinstance(target, str) else None if target is None else tuple(target),
            pixel=None if pixel is None else tuple(pixel),
            neighbors=neighbors_of(self._checkpoint, nearest, folder=index, trust=self._trust),
            choice=self._checkpoint.explanation,
            **options,
        )
        self._task.check_explain_options(chosen, self.spec)
        return self._task.explainer(self._model, chosen).explain(map(content, self._several(inputs)))

    def export(
        self,
        output: str | Path | None = None,
        *,
        format: str = "onnx",  # noqa: A002 (the key of the command)
        tolerance: float | None = None,
        overwrite: bool = False,
    ) -> Path:
        """The model as files that run without Sensorium, shown to answer as it does; the first of them.

        output: NAME.onnx for the model alone, or a folder for the model, run.py and proof.json; None for
        RUN/export/FORMAT. format, tolerance: as in `sensorium export`. Raises RequestError for a wrong request, and
        RunError where the files would not answer alike: nothing is written then.
        """
        given = {"format": format, "tolerance": tolerance, "output": None if output is None else str(output)}
        schema.check("export", given | {"overwrite": overwrite})
        return export_verb.write(
            self._checkpoint,
            kind=format,
            output=output,
            tolerance=tolerance,
            overwrite=overwrite,
            trust=self._trust,
        )[1]

    def live(self, *, threshold: float | None = None) -> Live:
        """The model ready for audio that comes in: `push(samples)` and `finish()` give records of what is new.

        threshold: of keyword spotting. Raises RequestError for a model that needs the whole recording.
        """
        schema.check("predict", {"threshold": threshold})
        options = PredictOptions(threshold=threshold)
        self._task.check_options(options, self.spec)
        return self._task.live(self._model, options)

    def _several(self, inputs: Any) -> Iterable[Any]:
        """One raw input as a list of it; a batch, and a path that stands for several files, as what is in it."""
        if self._task.input_keys == ("input",) and isinstance(inputs, str | PathLike):
            path = user_path(inputs)
            is_list = is_folder(path) or (any(sign in str(path) for sign in "*?[") and not exists(path))
            return self._task.inputs({"input": str(path)}, self._model) if is_list else [inputs]
        return list(inputs) if getattr(inputs, "ndim", 0) == 4 else several(inputs)

    def evaluate(
        self,
        *overrides: str,
        dataset_root: str | Path | None = None,
        dataset_path: str | Path | None = None,
        split: str | None = None,
        batch_size: int | None = None,
        on_bad: str = "fail",
        decoding: Mapping[str, Any] | None = None,
        slices: str | None = None,
        corrupt: bool = False,
        index: str | Path | None = None,
    ) -> Evaluation:
        """The model on a split: on its own data, or on other data.

        overrides: as on the command line, `dataset=NAME` and `dataset.KEY=VALUE`. dataset_root, dataset_path: short for
        dataset.root and dataset.path. split: train, val, test or all; None for test, or for all of other data that has
        no test split. slices: what to group examples by: class, size, length, speaker or a column of the table; the
        groups are the `slices` of the result. corrupt: whether it is repeated on corrupted inputs, which are the
        `corruptions` of the result. index: a folder for an index of the training split's features, which
        `explain(nearest=5)` takes. Raises RequestError as `sensorium eval` rejects.
        """
        chosen = {} if decoding is None else decoding
        given = {"split": split, "batch_size": batch_size, "on_bad": on_bad, "slices": slices, "corrupt": corrupt}
        schema.check("eval", given | {"decoding": chosen})
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
        if not self._trust:
            check_address(settings, about_data)
        data, name, examples = evaluation_data(self._checkpoint, settings, about_data, split)
        asked = examination(
            data, name, examples, self.spec, by=slices, corrupt=corrupt, config=settings, say=output.complain
        )
        where: dict[str, Any] = {"config": settings, "device": self._device, "trust": self._trust}
        if index is not None:
            index_in(Path(index), self._checkpoint, data, **where)
        found = evaluation.evaluate(self._checkpoint, examples, **where)
        return asked.of(found, self._checkpoint, examples, **where)


def _checked(predictions: Iterator[Prediction], errors: Errors) -> Iterator[Prediction]:
    for prediction in predictions:
        if prediction.error is not None and errors == "raise":
            raise RequestError(prediction.error)
        yield prediction


def _dataset_overrides(**given: str | Path | None) -> Sequence[str]:
    """dataset.KEY=VALUE for what was given, quoted for Hydra's grammar."""
    return [f"dataset.{key}={json.dumps(str(value))}" for key, value in given.items() if value is not None]
