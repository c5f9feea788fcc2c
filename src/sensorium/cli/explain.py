"""sensorium explain: where predictions come from, drawn over their inputs, and whether to believe it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text

from sensorium import checkpoint, output
from sensorium.build import check_targets, device_of, loaded_model
from sensorium.cli import overwriting
from sensorium.cli.app import Config, check, run_hydra
from sensorium.cli.eval_data import check_address, evaluation_data, settings_for
from sensorium.cli.predict import checkpoint_path
from sensorium.cli.request import EXPLAIN_WORDS, own_arguments
from sensorium.data.base import counted
from sensorium.errors import RequestError, listing
from sensorium.neighbors import finder, index_of
from sensorium.output import FileNames, Record, complain
from sensorium.run_folder import RunFolder
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel, Task
from sensorium.tasks.explanation import Example, ExplainOptions, Explanation, target_names
from sensorium.tasks.feature_index import Neighbor
from sensorium.tasks.writers import Writer, standard_writer

DRAWN = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".html", ".wav")  # of files that are not records
SOURCES = ("input", "text", "row", "worst")  # of which one is given


def run(arguments: list[str]) -> int:
    """Exit status 1 when some inputs could not be read; the others are explained all the same."""
    failures = 0
    words = {
        key: value for key, _, value in (argument.partition("=") for argument in arguments) if key in EXPLAIN_WORDS
    }

    def job(config: Config) -> None:
        nonlocal failures
        failures += _job(config | words)

    run_hydra("explain", own_arguments("explain", arguments), job)
    return 1 if failures else 0


def options_of(config: Config, names: Sequence[str], neighbors: Any = None) -> ExplainOptions:
    """The keys of the config that are options. names: of the classes that a target may be. neighbors: what finds
    training examples that are alike.
    """
    return ExplainOptions(
        target=None if config["target"] in (None, "null") else typed_targets(config["target"], names),
        pixel=None if config["pixel"] is None else tuple(config["pixel"]),
        neighbors=neighbors,
        method=str(config["method"]),  # a number is no name, and the task says so
        **{
            key: config[key]
            for key in ("top_k", "threshold", "characters", "steps", "batch_size", "random_maps", "seed")
        },
    )


def typed_targets(text: str, names: Sequence[str]) -> tuple[str, ...]:
    """cat,dog and [cat,dog] -> the two; a class whose own name has a comma is itself."""
    if text in names:
        return (text,)
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return tuple(part.strip() for part in inner.split(","))


def _job(config: Config) -> int:
    check("explain", config)
    given = [key for key in SOURCES if config[key] is not None]
    if len(given) != 1:
        raise RequestError(
            f"sensorium explain takes one of {', '.join(f'{key}=' for key in SOURCES)}; "
            f"given: {listing(given) or 'none'}. See: sensorium explain --help"
        )
    loaded = checkpoint.read(checkpoint_path(config["ckpt"]))
    checkpoint.check_weights(loaded.path, "explain")
    task = registry.of(loaded.spec)
    neighbors = neighbors_of(loaded, config["nearest"], folder=config["index"], trust=config["trust"])
    options = replace(options_of(config, target_names(loaded.spec), neighbors), choice=loaded.explanation)
    task.check_explain_options(options, loaded.spec)
    model = loaded_model(loaded, device=device_of(config["accelerator"]), trust=config["trust"])
    return _explain(config, task, model, options, _inputs(config, given[0], task, model, loaded))


def _inputs(
    config: Config, source: str, task: Task[Any], model: LoadedModel, loaded: checkpoint.Checkpoint
) -> Iterable[Any]:
    """Raw inputs that were given, or rows of the checkpoint's own data as `Example`s."""
    if source in ("input", "text"):
        if source not in task.explain_keys:
            raise RequestError(
                f"{source}= does not apply to this checkpoint ({model.spec}). It takes {task.explain_keys[0]}=..."
            )
        return task.explained_inputs(config | {"encoding": None, "column": None}, model)
    if source == "worst":
        folder = loaded.path.parent.parent
        if not RunFolder(folder).config.is_file():
            raise RequestError(
                f"worst= is for the checkpoint of a run, in its folder checkpoints/; {loaded.path} is not."
            )
        rows, split = task.worst_rows(folder, config["worst"]), "test"
        if not rows:
            raise RequestError("worst=: the run has no errors on its test split.")
    else:
        rows, split = config["row"] if isinstance(config["row"], list) else [config["row"]], config["split"]
    return split_examples(loaded, task, rows, split, trust=config["trust"])


def split_examples(
    loaded: checkpoint.Checkpoint, task: Task[Any], rows: Sequence[int], split: str, *, trust: bool
) -> list[Any]:
    """Rows of a split of the data that a checkpoint was trained on. Raises RequestError for a row that there is not."""
    if not trust:
        check_targets("dataset", loaded.config["dataset"])
    on_bad = str(loaded.config.get("on_bad", "fail"))  # as in training: the rows are those of its splits
    settings = settings_for(loaded, [], on_bad=on_bad, batch_size=None, decoding={})
    if not trust:
        check_address(settings, [])
    _, _, examples = evaluation_data(loaded, settings, [], split)
    if beyond := [row for row in rows if row >= len(examples)]:
        raise RequestError(f"row={beyond[0]}: the split {split} has rows 0 to {len(examples) - 1:,}.")
    return task.examples(examples, rows, loaded.spec)


def neighbors_of(
    loaded: checkpoint.Checkpoint, count: int | None, *, folder: str | Path | None, trust: bool
) -> Callable[[np.ndarray], tuple[Neighbor, ...]] | None:
    """What finds the `count` training examples that are most alike, by the index in a folder, else by the newest one
    beside the checkpoint; None for a count of None. Raises RequestError where there is no index.
    """
    if count is None:
        if folder is not None:
            raise RequestError("index= is for nearest=5, the training examples that are most alike.")
        return None
    task = registry.of(loaded.spec)
    if not task.has_vectors:
        raise RequestError(f"nearest= is not for {task.name}: its models make no single vector of an example.")
    index = index_of(loaded, folder)
    if not trust:
        check_targets("dataset", index.dataset)
    settings = settings_for(loaded, [], on_bad="skip", batch_size=None, decoding={})
    settings = replace(settings, dataset=dict(index.dataset))
    if not trust:
        check_address(settings, [])
    _, _, train = evaluation_data(loaded, settings, [], "train")
    if len(train) != len(index.features):
        raise RequestError(
            f"The training split has {len(train):,} examples, and the index {len(index.features):,}: the data has"
            f" changed.\nWrite the index again: sensorium eval ckpt={loaded.path} index=true"
        )
    return finder(index, count, lambda rows: task.examples(train, rows, loaded.spec))


def _explain(
    config: Config, task: Task[Any], model: LoadedModel, options: ExplainOptions, inputs: Iterable[Any]
) -> int:
    """Writes explanations as they come where the format allows it; returns how many inputs could not be read."""
    explainer = task.explainer(model, options)
    files = _Files(config, explainer.form)
    if config["input"] != "-":
        inputs = list(inputs)
        files.check(inputs)
    writer = files.writer()
    failures, warnings = 0, []
    for found in explainer.explain(inputs):
        if found.error is not None:
            failures += 1
            complain(f"sensorium: {found.error}")
        else:
            files.write(found)
            warnings += [f"{found.input}, {one.target}: {line}" for one in found.targets for line in one.warnings()]
        writer.write(found)
    writer.close()
    for line in [*explainer.notes(), *warnings, *files.notes()]:
        complain(line)
    return failures


class _TableWriter(Writer):
    """A row for each target in a table at the end, and below it what a terminal shows of the explanations."""

    def __init__(self) -> None:
        self._rows: list[Record] = []
        self._marked: list[Text] = []

    def write(self, prediction: Explanation) -> None:
        self._rows += prediction.rows()
        self._marked += [text for text in (prediction.marked(), prediction.looks_like()) if text is not None]

    def close(self) -> None:
        if self._rows:
            output.write_records(self._rows, format="table", output=None)
        for text in self._marked:
            output.console().print(text)


class _Files:
    """What is written beside standard output: a file for each explanation in folder=, one for the only one in output=,
    or records of all in output=.
    """

    def __init__(self, config: Config, form: type[Explanation]) -> None:
        self._config, self._form = config, form
        self._output = None if config["output"] is None else str(config["output"])
        self._folder = None if config["folder"] is None else Path(str(config["folder"]))
        suffix = Path(self._output or "").suffix.lower()
        self._drawn = config["format"] == "table" and suffix in DRAWN
        if self._drawn:
            form.check_suffix(str(self._output))
        self._names = FileNames(self._folder or Path(), suffix=form.formats[0])
        self._written = 0

    def check(self, inputs: Sequence[Any]) -> None:
        """Rejects files that are there already, before anything is computed."""
        if self._drawn and len(inputs) != 1:
            raise RequestError(
                f"output={self._output} is one explanation, and {len(inputs):,} inputs are given; use folder=FOLDER."
            )
        if self._folder is not None:
            names = [self._form.file_name(one.name if isinstance(one, Example) else str(one)) for one in inputs]
            overwriting.check_targets(self._names.paths_for(names), self._config, inputs)

    def writer(self) -> Writer:
        """For the records."""
        if self._config["format"] == "table" and (self._output is None or self._drawn):
            return _TableWriter()
        return standard_writer(self._config["format"], output_file=self._output)

    def write(self, found: Explanation) -> None:
        """Its own files."""
        if self._drawn and self._output is not None:
            found.save(self._output)
        if self._folder is not None:
            found.save(self._names.path_for(self._form.file_name(found.input)))
        self._written += 1

    def notes(self) -> Iterator[str]:
        """Where everything is."""
        places = [str(place) for place in (self._folder, self._output) if place is not None]
        if places and self._written:
            yield f"{counted(self._written, 'explanation')} written to {' and '.join(places)}"
        elif self._written and self._config["format"] == "table":
            yield f"folder=FOLDER draws each of them ({self._form.formats[0]})."
